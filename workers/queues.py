"""The Celery queues' names."""

#: Tickets for assets: those with less than the urgent window left, and the others.
ASSET_QUEUES = ("urgent", "assets")

#: Tickets for callbacks.
CALLBACKS = "callbacks"

#: Consumed in this order: what is short and brings the news first, then what expires first.
QUEUES = ("alarms", CALLBACKS, *ASSET_QUEUES)
