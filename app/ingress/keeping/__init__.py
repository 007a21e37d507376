"""Stores a callback before it is acknowledged. The door is ``safekeeping.open_safekeeping``.

``safekeeping`` uses Redis, or the bucket's inbox where Redis cannot take the callback. ``batching`` sends many
callbacks to Redis in one round trip.
"""
