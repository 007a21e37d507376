"""Reads a callback's body: its task, family, stage and failure, and the files to be stored."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any

from config.layout import MANIFEST_EXT, MANIFEST_STEM
from workers.callbacks.assets import Asset, AssetId, without_query
from workers.callbacks.codes import meaning_of
from workers.callbacks.envelope import SUCCESS, code_of, task_id_of
from workers.callbacks.families.catalogue import Body, Family, recognise
from workers.callbacks.families.tracks import failed_tracks, says_failed
from workers.callbacks.general_rule import asset_of, urls_in
from workers.callbacks.naming import text_of
from workers.callbacks.tree import Tree
from workers.errors import UnrecognizedCallbackError

#: The most files of one callback that are stored. The largest documented body names 14; a body of 1 MiB could name
#: 50,000.
MAX_ASSETS = 500

_MAX_MESSAGE = 1000


@dataclass(frozen=True)
class Callback:
    """The content of one callback."""

    task_id: str
    family: str
    """A name of ``families.FAMILIES``; ``other`` where only the general rule found files; else ``unknown``."""
    stage: str
    """``pending``, ``text``, ``first``, ``complete`` or ``error``; only music and jobs know the first three."""
    code: int | None
    message: str = ""
    """The provider's message about a failure."""
    fail_code: str = ""
    """The failure's own code, beside ``code``, in families that have one."""
    assets: tuple[Asset, ...] = ()
    failed_tracks: Mapping[str, str] = field(default_factory=dict)
    """Tracks that the provider could not make: track id → its error."""
    notes: tuple[str, ...] = ()
    """Limits that the reading met, for people."""

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

    The family names its documented files, and the general rule names the file of every other URL. URLs on ``own_hosts``
    (``config.addresses.host_of``) are not files. Raises ``UnreadableCallbackError`` if there is no task id, and
    ``UnrecognizedCallbackError`` if no documented shape fits and no file is named.
    """
    tree = Tree(own_hosts)
    body = Body(task_id_of(payload), tree.of(payload))
    family = recognise(body)
    assets = _assets(body, family)
    code = code_of(payload)
    failed = failed_tracks(body.tracks)
    stage = family.stage(body) if family else "complete"
    if code not in {None, SUCCESS} or says_failed(body.fields) or (failed and not assets):
        stage = "error"
    notes = sorted(tree.limits)
    if family is None and not assets and stage != "error":
        raise UnrecognizedCallbackError("; ".join(["no documented shape fits, and no file is named", *notes]))
    if len(assets) > MAX_ASSETS:
        notes.append(f"more than {MAX_ASSETS} files are named; only the first {MAX_ASSETS} are stored")
    return Callback(
        task_id=body.task_id,
        family=family.name if family else "other" if assets else "unknown",
        stage=stage,
        code=code,
        message=_message(body) if stage == "error" else "",
        fail_code=_fail_code(body) if stage == "error" else "",
        assets=tuple(assets[:MAX_ASSETS]),
        failed_tracks=failed,
        notes=tuple(notes),
    )


def _assets(body: Body, family: Family | None) -> list[Asset]:
    """Name the files of a body: the family's, then those of the general rule; at most one more than are stored."""
    named = list(islice(family.assets(body), MAX_ASSETS + 1)) if family else []
    known = {asset.url for asset in named}
    taken = family.stems if family else frozenset()
    found: list[Asset] = []
    for each in urls_in(body.payload):
        if len(named) + len(found) > MAX_ASSETS:
            break
        if each.url not in known:
            known.add(each.url)
            found.append(asset_of(body.task_id, each, taken))
    return list(_with_unique_names([*named, *found]))


def _with_unique_names(assets: Iterable[Asset]) -> Iterator[Asset]:
    """Give every file a unique name.

    If several URLs of a callback get the same name, a digest of its URL is added to each. So the names do not depend on
    the order of the URLs, and no file replaces another
    (``test_two_urls_under_one_name_are_both_stored_whatever_their_order``). The digest leaves out the query if the URLs
    differ without it. No file gets the manifest's name.
    """
    by_id: dict[AssetId, dict[str, Asset]] = defaultdict(dict)
    for asset in assets:
        has_manifests_name = (asset.track_id, asset.stem, asset.ext) == (None, MANIFEST_STEM, MANIFEST_EXT)
        named = replace(asset, stem=f"{MANIFEST_STEM}_file") if has_manifests_name else asset
        by_id[named.id][named.url] = named
    for same in by_id.values():
        if len(same) == 1:
            yield from same.values()
            continue
        bare = len({without_query(url) for url in same}) == len(same)
        for url, asset in same.items():
            yield asset.told_apart_by(without_query(url) if bare else url)


def _message(body: Body) -> str:
    candidates = [body.fields.get(name) for name in ("fail_msg", "error_message", "error")] + [body.payload.get("msg")]
    return next((text[:_MAX_MESSAGE] for candidate in candidates if (text := text_of(candidate))), "")


def _fail_code(body: Body) -> str:
    code = next((body.fields[name] for name in ("fail_code", "error_code") if body.fields.get(name) is not None), "")
    return (str(code) if isinstance(code, int) else text_of(code))[:_MAX_MESSAGE]
