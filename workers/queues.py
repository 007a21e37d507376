"""The Celery queues' names."""

#: Tickets for assets: those with less than the urgent window left, and the others.
ASSET_QUEUES = ("urgent", "assets")

#: Consumed in this order: what is short and brings the news first, then what expires first.
QUEUES = ("alarms", "callbacks", *ASSET_QUEUES)
