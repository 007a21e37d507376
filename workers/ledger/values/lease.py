"""One worker's claim on one asset. It cannot change the asset's record."""

import re
from dataclasses import dataclass

from workers.callbacks.assets import AssetId

#: A URL's scheme, and its authority: the text between the scheme and the path.
_AUTHORITY = re.compile(rb"([^:/]*)://([^/?#]*)")
_OWN_PORTS = {(b"http", b"80"), (b"https", b"443")}
#: The most bytes of a host name, and of a port.
_MAX_HOST, _MAX_PORT = 253, 5


@dataclass(frozen=True, slots=True)
class Lease:
    """One worker's claim on one asset, and the facts for an attempt. Times are unix seconds, lengths are seconds."""

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
    """The length of the audio according to the callback; 0 if a later callback announces it."""
    partial: str = ""
    """The key of a partial file, which an earlier attempt stored because the source sent no more."""
    seconds: float = 0.0
    """The length of the partial file."""
    final: bool = False
    """Whether this attempt should store the partial file, as no better file can come."""
    optional: bool = False
    """Whether its task is complete without it (``Asset.optional``)."""
    queue_to_wake: str = ""
    """A queue in which assets wait without a wake-up message; usually empty."""

    @property
    def host(self) -> str:
        """The URL's host, and its port if that is not the scheme's default.

        ``storage/lua/waiting.lua`` has the same rule (``test_redis_and_python_read_the_same_host_from_a_url``).
        """
        # Bytes, as Lua's string functions know only ASCII letters and count bytes.
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
        has_port = port and (scheme, port) not in _OWN_PORTS
        return (host + b":" + port if has_port else host).decode()
