"""Finds out whether a file's end is missing, by its format, for bodies without an announced length.

Each format has a walk (``walks``): a generator that requests the few bytes it needs, from front to back (``walking``),
so that a file of any size is followed part by part. A walk proves that the end is missing, or returns a doubt, or
neither. ``sniffing`` chooses the walk. The door is ``Follower(walk())``: ``see`` each part, then ``end``.
"""

from workers.media.formats.following import Follower
from workers.media.formats.sniffing import walk

__all__ = ["Follower", "walk"]
