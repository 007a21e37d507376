"""The values that the ledger gives out and takes: frozen, and without any access to Redis.

Doors: ``lease.Lease`` is one worker's claim on an asset. ``records.TaskSnapshot`` is all that the ledger knows of a
task: its ``TaskRecord``, a ``CallbackRecord`` for each callback and an ``AssetRecord`` for each asset.
``records.Recorded`` is the result of recording a callback. ``facts`` has the fields that the end of an attempt adds.
"""
