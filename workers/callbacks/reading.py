"""A callback's body → what it says: its task, family and stage, and the files to be stored."""

import hashlib
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from workers.assets import Asset, AssetId
from workers.callbacks.codes import meaning_of
from workers.callbacks.envelope import SUCCESS, code_of, task_id_of
from workers.callbacks.families import Body, Family, recognise
from workers.callbacks.general_rule import Search, asset_of
from workers.callbacks.naming import snake_fields, without_query
from workers.callbacks.tracks import failed_tracks
from workers.errors import UnrecognizedCallbackError

#: Of one callback, at most so many files are stored. The largest documented body names 14; a body of 1 MiB
#: could name 50,000.
MAX_ASSETS = 500

_MAX_MESSAGE = 1000
_DIGEST_CHARACTERS = 8
_LONGEST_STEM_WITH_DIGEST = 100


@dataclass(frozen=True)
class Callback:
    """What one callback says."""

    task_id: str
    family: str
    """A name of ``families.FAMILIES``; ``other`` where only the general rule found files; else ``unknown``."""
    stage: str
    """``pending``, ``text``, ``first``, ``complete`` or ``error``; only music and jobs know the first three."""
    code: int | None
    message: str = ""
    """The provider's own words for a failure."""
    fail_code: str = ""
    """A code of its own for a failure, besides ``code``, where the family has one."""
    assets: tuple[Asset, ...] = ()
    failed_tracks: Mapping[str, str] = field(default_factory=dict)
    """Tracks that the provider could not make: id → its error."""
    notes: tuple[str, ...] = ()
    """What people should know of how the callback was read."""

    @property
    def failed(self) -> bool:
        """Whether the provider reports a failure."""
        return self.stage == "error"

    @property
    def meaning(self) -> str:
        """The code in words."""
        return meaning_of(self.code)


def parse_callback(payload: dict[str, Any], *, own_hosts: Collection[str] = ()) -> Callback:
    """Read a callback of any shape.

    Families name what they know; every further URL is named by the general rule, but for those on
    ``own_hosts`` (host and port in lower case). Raises ``UnreadableCallbackError`` if there is no task id,
    and ``UnrecognizedCallbackError`` if no documented shape fits and no file is named.
    """
    body = Body(task_id_of(payload), payload)
    family = recognise(body)
    search = Search(own_hosts)
    assets = _assets(body, family, search)
    code = code_of(payload)
    stage = family.stage(body) if family else "complete"
    if code not in {None, SUCCESS}:
        stage = "error"
    notes = sorted(search.limits_hit)
    if family is None and not assets and stage != "error":
        raise UnrecognizedCallbackError("; ".join(["no documented shape fits, and no file is named", *notes]))
    if len(assets) > MAX_ASSETS:
        notes.append(f"{len(assets)} files are named; only the first {MAX_ASSETS} are stored")
    return Callback(
        task_id=body.task_id,
        family=family.name if family else "other" if assets else "unknown",
        stage=stage,
        code=code,
        message=_message(body) if stage == "error" else "",
        fail_code=_fail_code(body) if stage == "error" else "",
        assets=tuple(assets[:MAX_ASSETS]),
        failed_tracks=failed_tracks(body.tracks),
        notes=tuple(notes),
    )


def _assets(body: Body, family: Family | None, search: Search) -> list[Asset]:
    """Name the files of a body: the family's first, then what the general rule finds besides."""
    named = list(family.assets(body)) if family else []
    known = {asset.url for asset in named}
    taken = family.stems if family else frozenset()
    found = (asset_of(body.task_id, each, taken) for each in search.through(body.payload) if each.url not in known)
    return list(_told_apart([*named, *found]))


def _told_apart(assets: Iterable[Asset]) -> Iterator[Asset]:
    """Give every file a name of its own.

    Where one callback gives several URLs one name, each gets a digest of its URL, so that the names do not
    depend on their order and no file hides another. The query is left out of it if it need not be in.
    """
    by_id: dict[AssetId, dict[str, Asset]] = defaultdict(dict)
    for asset in assets:
        by_id[asset.id][asset.url] = asset
    for same in by_id.values():
        if len(same) == 1:
            yield from same.values()
            continue
        bare = len({without_query(url) for url in same}) == len(same)
        for url, asset in same.items():
            digest = hashlib.sha256((without_query(url) if bare else url).encode()).hexdigest()
            yield replace(asset, stem=f"{asset.stem[:_LONGEST_STEM_WITH_DIGEST]}-{digest[:_DIGEST_CHARACTERS]}")


def _message(body: Body) -> str:
    fields = body.fields
    candidates = [fields.get(name) for name in ("fail_msg", "error_message", "error")] + [body.payload.get("msg")]
    return next((text[:_MAX_MESSAGE] for text in candidates if isinstance(text, str) and text), "")


def _fail_code(body: Body) -> str:
    fields = snake_fields(body.data)
    code = next((fields[name] for name in ("fail_code", "error_code") if fields.get(name) is not None), "")
    return str(code)[:_MAX_MESSAGE] if isinstance(code, str | int) else ""
