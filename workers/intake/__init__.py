"""Callbacks that are acknowledged and not yet recorded: in Redis (``received``) or in the bucket (``inbox``).

``fullness`` decides which: it says how full Redis is and what stops at which share.
"""
