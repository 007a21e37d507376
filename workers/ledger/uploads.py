"""The register of multipart uploads, so that the sweep can abort those of a dead process."""

from itertools import chain

from workers.ledger.storage.keys import ORPHANS, UPLOADS
from workers.ledger.storage.scripts import Scripted

#: Stands for the upload id, as the first character, while S3 creates the multipart upload.
UNNAMED = "?"
#: How many uploads of each register one sweep reads.
_MAX_ORPHANS = 100


class Uploads(Scripted):
    """The ledger's methods for the multipart uploads that are under way.

    An upload is given as text: its id, a space and its key. ``UNNAMED`` stands for an id that S3 has not
    given yet.
    """

    def upload_began(self, upload: str, *, before: str = "") -> None:
        """Register a multipart upload in place of ``before``. It is aborted if its worker dies."""
        pipe = self.redis.pipeline()
        pipe.zadd(UPLOADS, {upload: self.now() + self.lease_seconds})
        pipe.zrem(UPLOADS, before)
        pipe.execute()

    def upload_begins(self, key: str) -> bool:
        """Tell whether a living process is creating an upload to the key."""
        living = self.redis.zrangebyscore(UPLOADS, self.now(), "+inf")
        return any(member.startswith(UNNAMED) and member.endswith(f" {key}") for member in map(str, living))

    def knows_upload(self, upload: str) -> bool:
        """Tell whether a multipart upload is registered."""
        return any(self.redis.zscore(key, upload) is not None for key in (UPLOADS, ORPHANS))

    def upload_ended(self, upload: str) -> None:
        """Forget a multipart upload that was completed or aborted."""
        pipe = self.redis.pipeline()
        pipe.zrem(UPLOADS, upload)
        pipe.zrem(ORPHANS, upload)
        pipe.execute()

    def orphaned_uploads(self) -> list[str]:
        """Give the multipart uploads that had no heartbeat for a whole lease."""
        now = self.now()
        pipe = self.redis.pipeline()
        for key in (UPLOADS, ORPHANS):
            pipe.zrangebyscore(key, "-inf", now, start=0, num=_MAX_ORPHANS)
        return list(map(str, chain.from_iterable(pipe.execute())))

    def postpone_orphan(self, upload: str) -> None:
        """Have the sweep abort an orphaned upload after another lease. Until then it does not count as living."""
        pipe = self.redis.pipeline()
        pipe.zadd(ORPHANS, {upload: self.now() + self.lease_seconds})
        pipe.zrem(UPLOADS, upload)
        pipe.execute()
