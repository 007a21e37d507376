"""The records of tasks and assets in Redis, and the time of each one's next step.

``ledger.Ledger`` is the door. Its parts: ``tasks`` (a task's record and manifest), ``assets`` (leases and settling),
``timers`` (due steps, counts, counters) and ``uploads`` (multipart uploads under way). Every change of state is one Lua
script (``scripts``, ``lua/``). ``records`` has the values that the ledger gives out, ``keys`` the names in Redis,
``stored_form`` the compact form of a record, and ``backoff`` computes the next step after a failed attempt.
"""
