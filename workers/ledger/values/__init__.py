"""The values that the ledger gives out: frozen, and without any access to Redis.

Doors: ``lease.Lease`` is one worker's claim on an asset, ``records.TaskSnapshot`` all that the ledger knows of a task,
and ``records.Recorded`` the result of recording a callback.
"""
