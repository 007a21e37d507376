"""Where a file ends by what its format says, for bodies whose length nobody announced.

Each format is a generator that asks for the few bytes it needs, from front to back (``walking``), so that a file of any
size is followed part by part. A format either proves that its end is missing, has a doubt, or tells nothing.
"""

from workers.media.formats.following import Follower
from workers.media.formats.sniffing import walk

__all__ = ["Follower", "walk"]
