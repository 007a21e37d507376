"""Celery: queues, wake-up messages, the processes of a worker and their shutdown.

Besides ``workers.celery`` and ``workers.tasks``, only this package imports celery, kombu or billiard. Senders use
``wake_ups``, with the names in ``queues``. Tasks use ``containment`` and ``processes``. Celery's settings name
``transport`` and ``processes``.
"""
