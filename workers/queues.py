"""The Celery queues' names."""

#: Consumed in this order: what is short and brings the news first, then what expires first.
QUEUES = ("alarms", "callbacks", "urgent", "assets")
