"""Callbacks that are acknowledged and not recorded yet: in Redis (``received``) or in the bucket (``inbox``).

``fullness`` decides which: it tells how full Redis is, and which work stops at which share.
"""
