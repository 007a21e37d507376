"""Checks of the bucket. The door is ``bucket.examine_bucket``.

``guarantees`` tells what the store checks, ``rivals`` tries two writers at once.
"""
