"""The Celery queues' names."""

#: Wake-up messages for assets: those with less than the urgent window left, and the others.
ASSET_QUEUES = ("urgent", "assets")

#: Wake-up messages for suspects: assets of processes that died while they held several. Each is tried alone.
SUSPECTS = "suspects"

#: All queues for assets.
WAITING_QUEUES = (*ASSET_QUEUES, SUSPECTS)

#: Wake-up messages for callbacks.
CALLBACKS = "callbacks"

#: The clock's tasks: the sweep, and draining the inbox. The queue keeps the name that older versions use, as their
#: clocks and workers may run beside this version's.
CLOCK = "alarms"

#: Wake-up messages for watched tasks, about which the provider is to be asked.
POLLS = "polls"

#: The queues in the order in which a worker looks for messages: short tasks and new callbacks first, then assets, the
#: urgent ones first.
QUEUES = (CLOCK, CALLBACKS, *WAITING_QUEUES, POLLS)
