"""Takes over what an older version recorded: a rolling deploy has workers of two versions on one Redis.

Each version works on records of its own format alone. So an older worker goes on with what it holds, and what nobody
holds is recorded anew here, from the callbacks that its record keeps, as a task is that only its manifest knows.
"""

import json

import structlog
from redis.exceptions import RedisError

from workers.assets import AssetId
from workers.ingest import record_anew
from workers.ledger_keys import ASSETS, COMMON
from workers.manifest import write_manifest
from workers.records import TaskSnapshot
from workers.scripts import script
from workers.vault import Vault

log = structlog.get_logger()

#: Format 1, whose names had no number.
_ALARMS = COMMON + "alarms"
_READY = (COMMON + "ready:urgent", COMMON + "ready:assets")
_ASSETS = COMMON + "asset:"
_FIELDS = {"family", "stage", "rank", "code", "meaning", "message", "fail_code", "failed_tracks", "notes", "version"}
#: How many alarms of an older format one sweep looks at.
_BATCH = 200


def adopt_older(vault: Vault) -> None:
    """Adopt the tasks that need another step by an older version's ledger. Raises redis-py's errors.

    Harmless when repeated. What one task raises is logged, and does not keep the others waiting.
    """
    alarms = vault.ledger.redis.zrange(_ALARMS, 0, _BATCH - 1)
    for task_id in sorted({AssetId.parse(str(member)).task_id for member in alarms}):
        try:
            _adopt(vault, task_id)
        except RedisError:
            raise
        except Exception:
            log.exception("older_record_not_adopted", task_id=task_id)


def _adopt(vault: Vault, task_id: str) -> None:
    """Record a task anew and forget it in the older ledger, unless a worker holds one of its assets just now."""
    redis = vault.ledger.redis
    task_keys = [f"{COMMON}task:{task_id}", f"{COMMON}task:{task_id}:callbacks", f"{COMMON}task:{task_id}:assets"]
    pipe = redis.pipeline()
    pipe.hgetall(task_keys[0])
    pipe.hgetall(task_keys[1])
    pipe.smembers(task_keys[2])
    task, callbacks, found = pipe.execute()
    names = sorted(found)
    asset_keys = [f"{_ASSETS}{task_id}/{name}" for name in names]
    for key in asset_keys:
        pipe.hgetall(key)
    assets = dict(zip(names, pipe.execute(), strict=True))
    now = vault.now()
    if any(asset.get("state") == "transferring" and float(asset["lease"]) > now for asset in assets.values()):
        return
    if task:
        record_anew(vault, _snapshot(task_id, task, callbacks, assets), unsettled=True)
        # The older version may not have come to this.
        if not vault.ledger.open_assets(task_id):
            write_manifest(vault, task_id)
    keys = [*task_keys, _ALARMS, *_READY, *asset_keys]
    if script(redis, "forget_older")(keys=keys, args=[task_id, task.get("version", ""), ASSETS, *names]):
        log.info("older_record_adopted", task_id=task_id, assets=len(names))


def _snapshot(
    task_id: str, task: dict[str, str], callbacks: dict[str, str], assets: dict[str, dict[str, str]]
) -> TaskSnapshot:
    """Give what is settled of an older task; the rest is in its callbacks."""
    received = [{"sha256": digest, **json.loads(text)} for digest, text in callbacks.items()]
    own = {name: value for name, value in task.items() if name in _FIELDS and (name, value) != ("code", "0")}
    return TaskSnapshot(
        task_id,
        {**own, "open": "0"},
        sorted(received, key=lambda entry: entry["received_at"]),
        {
            name: {field: value for field, value in asset.items() if field != "media"}
            for name, asset in assets.items()
            if "settled_at" in asset
        },
    )
