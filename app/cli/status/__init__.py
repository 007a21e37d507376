"""``stemvault status``: ``overview.show_status`` shows the whole system, ``overview.show_task`` one task.

``watched`` shows the tasks about which the provider is asked.
"""
