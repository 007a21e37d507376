"""A callback becomes records in the ledger. The doors are ``recall.recall`` and ``record.record_callback``.

``record`` reads a callback and writes it and its assets to the ledger. ``recall`` restores a task that the ledger does
not know, from its manifest or from an older version's record. ``expiry`` computes the deadline of an asset from its
retention and its URL. ``adopt`` takes over the records of older versions.
"""
