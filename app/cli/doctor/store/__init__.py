"""Checks of the bucket. The door is ``bucket.examine_bucket``.

``guarantees`` shows which checks the store makes, ``rivals`` tries two writers at once.
"""
