"""The Celery queues' names."""

#: Tickets for assets: those with less than the urgent window left, and the others.
ASSET_QUEUES = ("urgent", "assets")

#: Tickets for callbacks.
CALLBACKS = "callbacks"

#: The clock's own: the sweep, and draining the inbox.
ALARMS = "alarms"

#: Consumed in this order: what is short and brings the news first, then what expires first.
QUEUES = (ALARMS, CALLBACKS, *ASSET_QUEUES)
