"""The processes of a Celery worker and of beat: start, pool, slots and shutdown.

Celery's settings name ``programs`` (``Worker``, ``Beat``) and ``pool.TaskPool``. Tasks use ``slots.Slots``, which the
processes of one worker share, and ``shutdown.is_due``.
"""
