"""Signs of life: ``heartbeats`` renews the leases of assets, and ``signs_of_life`` shows which processes run.

``repeating`` calls a function at intervals in a thread; it serves both ``signs_of_life`` and other rooms.
"""
