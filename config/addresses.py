"""One spelling for the host of a URL, so that the hosts of two URLs can be compared."""

from urllib.parse import urlsplit

_PORTS = {"http": 80, "https": 443}


def host_of(url: str) -> str:
    """Give the host and port of a URL: lower case, no dot at the end, always with a port; empty if it has none."""
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or "").rstrip("."), parts.port or _PORTS.get(parts.scheme.lower())
    except ValueError:
        return ""
    return f"{host}:{port}" if host and port else ""
