"""The records of tasks and assets in Redis, and the time of each one's next step.

``ledger.Ledger`` is the door; ``connection.open_ledger`` opens it. Its methods are in ``tasks`` (a task's record and
manifest), ``assets`` (leases and settling), ``timers`` (due steps, counts, counters) and ``uploads`` (multipart uploads
under way). ``backoff`` computes the next step after a failed attempt. Every change of state is one Lua script
(``storage``). ``values`` has the records and leases that the ledger gives out, and the facts that it is given.
"""
