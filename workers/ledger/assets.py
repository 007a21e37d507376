"""The life of an asset: ready, held by a worker, postponed, settled, and perhaps tried again."""

from collections.abc import Iterable

from workers.callbacks.assets import AssetId
from workers.errors import FreshUrlError, LeaseLostError
from workers.ledger.storage.keys import ASSETS, COUNTERS, READY, TAKEN, TIMERS, UPLOADS, asset_key, task_key
from workers.ledger.storage.scripts import Scripted
from workers.ledger.storage.stored_form import asset_of, lease_of, pairs_of
from workers.ledger.timers import GRACE
from workers.ledger.values.facts import ObjectFacts, PartialFile
from workers.ledger.values.lease import Lease
from workers.ledger.values.records import AssetRecord

#: An asset is dead-lettered after this many processes died that held no other asset.
MAX_CRASHES = 5
#: An asset becomes a suspect, which is tried alone, after this many processes in a row died that held it and others.
SUSPECT_AFTER = 2
#: An asset is dead-lettered after this many lapsed leases in a row. The limit is higher than ``MAX_CRASHES``: a lease
#: lapses when a whole worker dies, and another asset may be the cause.
MAX_LAPSES = 20
#: Seconds for storing a partial file, once no better attempt is possible. The bucket may be away for hours.
FINAL_SECONDS = 86400.0
#: The reply of settle.lua if a fresh URL came during the attempt.
_HAS_FRESH_URL = -2


class Assets(Scripted):
    """The ledger's methods that lease assets to workers and settle them."""

    def asset(self, asset: AssetId) -> AssetRecord:
        """Give an asset's record; its ``state`` is None where there is none."""
        fields: dict[str, str] = self.redis.hgetall(asset_key(asset))  # type: ignore[assignment]
        return asset_of(asset.task_id, fields)

    def take(self, queues: Iterable[str], owner: str, *, passing_over: Iterable[str] = ()) -> Lease | None:
        """Lease the ready asset with the earliest deadline. ``queues`` are searched in their order.

        Assets of the source hosts (``Lease.host``) in ``passing_over`` are left waiting.
        """
        searched = list(queues)
        keys = [TIMERS, TAKEN, *(key for queue in searched for key in (READY[queue], queue))]
        reply = self._run("take", keys, owner, self.lease_seconds, ASSETS, *passing_over)
        if not reply:
            return None
        member, pairs, without_message = reply
        fields = dict(zip(pairs[::2], pairs[1::2], strict=True))
        queue_to_wake = searched[without_message - 1] if without_message else ""
        return lease_of(AssetId.parse(member), owner, fields, queue_to_wake=queue_to_wake)

    def heartbeat(self, lease: Lease, *, upload: str = "", partial: str = "") -> None:
        """Renew the lease, and the registration of its multipart upload if there is one. Raises ``LeaseLostError``.

        ``partial`` records the key of a partial file that is about to be stored.
        """
        keys = [asset_key(lease.id), TIMERS, UPLOADS]
        if not self._run("heartbeat", keys, lease.id, lease.owner, self.lease_seconds, upload, partial):
            raise LeaseLostError(str(lease.id))

    def postpone(  # noqa: PLR0913 - the whole outcome of an attempt
        self,
        lease: Lease,
        reason: str,
        *,
        streak: int,
        until: float,
        final: bool = False,
        partial: PartialFile | None = None,
    ) -> None:
        """Give the asset back until ``until`` (unix seconds). With ``final`` the next attempt stores its partial file.

        ``partial`` is the partial file that this attempt kept. Raises ``LeaseLostError``.
        """
        keys = [asset_key(lease.id), TIMERS, TAKEN]
        deadline = until + FINAL_SECONDS if final else ""
        arguments = (lease.owner, reason, streak, until, deadline)
        if not self._run("postpone", keys, lease.id, *arguments, *pairs_of(partial)):
            raise LeaseLostError(str(lease.id))

    def crashed(self, owners: str) -> list[str]:
        """Give back at once all assets of a dead process, and name them. Its owners begin with ``owners``.

        If a process held several assets, each may be the cause of its death. An asset to which that happens
        ``SUSPECT_AFTER`` times in a row waits in ``suspects`` from then on and is tried alone, so that the cause shows.
        """
        return list(self._run("crashed", [TAKEN, TIMERS], owners, ASSETS))

    def settle(
        self,
        asset: AssetId,
        owner: str,
        state: str,
        *,
        reason: str = "",
        facts: ObjectFacts | None = None,
    ) -> int:
        """Settle the asset and give the number of unsettled assets of its task.

        ``state`` is ``archived``, ``rejected``, ``expired`` or ``set_aside``. ``owner`` is the lease's, or empty for an
        asset that no worker holds. ``facts`` are those of an archived asset's object. Raises ``LeaseLostError``. Raises
        ``FreshUrlError`` for any state but ``archived`` if a fresh URL came during the attempt: the asset is then
        pending again.
        """
        keys = [asset_key(asset), task_key(asset.task_id), TIMERS, COUNTERS, TAKEN, *READY.values()]
        arguments = (asset.task_id, owner, state, reason, GRACE)
        still_open = self._run("settle", keys, asset, *arguments, *pairs_of(facts))
        if still_open == _HAS_FRESH_URL:
            raise FreshUrlError(str(asset))
        if still_open < 0:
            raise LeaseLostError(str(asset))
        return int(still_open)

    def make_ready(self, asset: AssetId) -> str:
        """Make an asset ready whose timer is due.

        The reply is the queue in which it became ready, or empty if it needs no step yet. It is ``expired`` or
        ``poison`` if the caller should settle the asset, and ``settled`` if it is settled.
        """
        keys = [asset_key(asset), TIMERS, TAKEN, *READY.values()]
        limits = (MAX_CRASHES, MAX_LAPSES, FINAL_SECONDS, SUSPECT_AFTER)
        return str(self._run("ready", keys, asset, self._urgent_window, *limits))

    def revive(self, asset: AssetId, *, deadline: float) -> bool:
        """Try an asset again that was given up, or end the backoff of one that waits; False for any other.

        ``deadline`` (unix seconds) replaces that of an asset that was given up.
        """
        keys = [task_key(asset.task_id), asset_key(asset), TIMERS, *READY.values()]
        siblings = f"{ASSETS}{asset.task_id}/"
        return bool(self._run("revive", keys, asset, deadline, siblings))
