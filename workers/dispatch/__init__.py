"""Celery: queues, wake-up messages, the processes of a worker and their shutdown.

Beside ``workers.celery`` and ``workers.tasks``, only this package imports celery, kombu or billiard. ``wake_ups`` is
the door for senders. ``transport``, ``pool`` and ``programs`` are named in Celery's settings.
"""
