"""The Celery queues' names."""

#: Tickets for assets: those with less than the urgent window left, and the others.
ASSET_QUEUES = ("urgent", "assets")

#: Tickets for assets over which processes have died together with others: each is tried alone.
SUSPECTS = "suspects"

#: All in which assets wait.
WAITING_QUEUES = (*ASSET_QUEUES, SUSPECTS)

#: Tickets for callbacks.
CALLBACKS = "callbacks"

#: The clock's own: the sweep, and draining the inbox.
CLOCK = "alarms"

#: Consumed in this order: what is short and brings the news first, then what expires first.
QUEUES = (CLOCK, CALLBACKS, *WAITING_QUEUES)
