"""How a callback becomes records: ``record`` writes them, ``recall`` brings back a forgotten task.

``expiry`` computes by when an asset must be stored, from its retention and from what its URL says. ``adopt`` takes
over the records of older versions.
"""
