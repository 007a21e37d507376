"""Callbacks that are acknowledged and not recorded yet: in Redis (``received``) or in the bucket (``inbox``).

``fullness`` decides which: it measures how full Redis is, and says which work stops at which fullness.
"""
