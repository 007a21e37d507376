"""The two stories that Celery beat starts: the sweep every 5 seconds, and the drain of the inbox every 10 seconds.

The doors are ``sweep.sweep`` (timers fire, lost wake-up messages are replaced, orphaned uploads are aborted) and
``drain.drain`` (callbacks in the bucket's inbox are moved to Redis).
"""
