"""What the ledger gives out: values, without any way to change a record."""

import re
from dataclasses import dataclass, field
from typing import Any

from workers.callbacks.assets import AssetId

#: With it the names begin of uploads that are being created.
UNNAMED = "?"
#: A URL's scheme, and what stands between it and the path.
_AUTHORITY = re.compile(rb"([^:/]*)://([^/?#]*)")
_OWN_PORTS = {(b"http", b"80"), (b"https", b"443")}
#: No host name has more bytes, and no port.
_MAX_HOST, _MAX_PORT = 253, 5


@dataclass(frozen=True, slots=True)
class Recorded:
    """What recording a callback came to."""

    changed: bool
    open: int
    """Assets of the task that are not settled."""
    ready: dict[str, int]
    """How many assets became ready for a worker, by queue."""
    kept: bool
    """Whether the callback itself stands in the task's record; False if the record is full."""
    surplus: int
    """How many assets were not recorded, because the task has as many as it may."""


@dataclass(frozen=True, slots=True)
class Lease:
    """One worker's claim on one asset, with what it needs to know for an attempt."""

    id: AssetId
    owner: str
    url: str
    key: str
    deadline: float
    attempts: int
    last_reason: str
    streak: int
    """How many attempts in a row failed for ``last_reason``."""
    announced_seconds: float | None = None
    """How long the callback says that the audio is; 0 for audio of which that is told later."""
    partial: str = ""
    """The key of a partial file, which an earlier attempt stored because the source had no more."""
    seconds: float = 0.0
    """How long the partial file is."""
    final: bool = False
    """Whether the partial file is to be stored now, as nothing better can come any more."""
    calls: str = ""
    """A queue in which something is left and nobody is called to it; empty as a rule."""

    @property
    def host(self) -> str:
        """The host that the URL names, and its port if that is not the scheme's own.

        ``workers/ledger/lua/waiting.lua`` has the same rule.
        """
        # Lua knows no letters but ASCII's, as bytes do, and counts bytes.
        url = _AUTHORITY.match(self.url.encode(errors="replace").lower())
        if not url:
            return ""
        scheme, named = url[1], url[2].rpartition(b"@")[2]
        host, colon, port = named.rpartition(b":")
        if not colon or (port and not port.isdigit()):
            host, port = named, b""
        host = host.rstrip(b".")
        if len(host) > _MAX_HOST or len(port) > _MAX_PORT:
            return ""
        is_told = port and (scheme, port) not in _OWN_PORTS
        return (host + b":" + port if is_told else host).decode()


@dataclass(frozen=True)
class TaskSnapshot:
    """All that is known of one task."""

    task_id: str
    task: dict[str, str]
    callbacks: list[dict[str, Any]]
    """In order of arrival, each with ``received_at``, the ``sha256`` of its body and the ``body`` as text."""
    assets: dict[str, dict[str, str]] = field(default_factory=dict)

    @property
    def version(self) -> int:
        """A number that grows with every change."""
        return int(self.task.get("version", 0))

    @property
    def open(self) -> int:
        """How many assets are not settled."""
        return int(self.task.get("open", 0))
