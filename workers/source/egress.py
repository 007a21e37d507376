"""Which addresses a worker may fetch from: never one inside our own network, however it is spelled.

requests-hardened resolves a name once, checks the address and connects to that very address, so the check and the use
cannot differ. This module checks the URL itself too, on every hop. It overrides the adapter of requests-hardened;
checked with version 1.3.0. ``tests/unit/source/test_egress.py`` fails if an address is no longer checked.
"""

import ipaddress
from fnmatch import fnmatchcase
from functools import partial
from typing import Any
from urllib.parse import urljoin

import requests
from requests_hardened.ip_filter_adapter import IPFilterAdapter
from urllib3.exceptions import LocationParseError
from urllib3.util import Url, parse_url

from config.settings import Settings
from workers.connections import sessions
from workers.connections.lookups import looked_up
from workers.errors import PermanentError

_DEFAULT_PORTS = {"http": 80, "https": 443}
#: All addresses that IANA assigns to hosts: https://www.iana.org/assignments/ipv6-address-space. Outside of this range
#: are retired forms that embed an IPv4 address; Python calls them global, and a gateway may still translate them.
_GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")


class _PublicAddressAdapter(IPFilterAdapter):  # type: ignore[misc]  # the library ships no types
    """The library's filter, restricted further to addresses that IANA calls globally reachable."""

    def build_connection_pool_key_attributes(self, *args: object, **kwargs: object) -> tuple[Any, Any]:
        resolve = partial(super().build_connection_pool_key_attributes, *args, **kwargs)
        try:
            host_params, pool_kwargs = looked_up(resolve)
        except TimeoutError as error:
            raise requests.exceptions.ConnectTimeout(str(error)) from None
        address = ipaddress.ip_address(host_params["host"].strip("[]").partition("%")[0])
        if not _is_public(address):
            raise requests.exceptions.InvalidURL("not a public address")
        return host_params, pool_kwargs


def _is_public(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    if isinstance(address, ipaddress.IPv6Address) and address not in _GLOBAL_UNICAST:
        return False
    return address.is_global and not address.is_multicast


def open_session(settings: Settings, *, at_once: int = 4) -> requests.Session:
    """Make the session that fetches all assets, in ``at_once`` threads (``workers.connections.sessions``)."""

    def adapter_for(scheme: str) -> requests.adapters.HTTPAdapter:
        if settings.allow_private_addresses:
            return requests.adapters.HTTPAdapter()
        return _PublicAddressAdapter(is_https_proto=scheme == "https")

    return sessions.open_session("*/*", at_once, adapter_for)


def check_url(url: str, settings: Settings) -> str:
    """Check a URL before any name is resolved, and return it in its normal form.

    Raises ``PermanentError`` (``bad_url``, ``bad_scheme``, ``credentials_in_url``, ``forbidden_host``,
    ``forbidden_port``).
    """
    try:
        parsed = parse_url(url)
    except LocationParseError:
        raise PermanentError("bad_url", "it cannot be read") from None
    if parsed.scheme not in _DEFAULT_PORTS:
        raise PermanentError("bad_scheme", "only http and https are fetched")
    if parsed.auth is not None or "@" in (parsed.netloc or ""):
        raise PermanentError("credentials_in_url", "a URL with a user or password is not fetched")
    host = _check_host(parsed, settings)
    port = parsed.port or _DEFAULT_PORTS[parsed.scheme]
    if settings.allowed_asset_ports is not None and port not in settings.allowed_asset_ports:
        raise PermanentError("forbidden_port", f"port {port} is not in STEMVAULT_ALLOWED_ASSET_PORTS")
    return parsed._replace(host=host, fragment=None).url


def _check_host(parsed: Url, settings: Settings) -> str:
    """Return the host without the root dot at its end, which makes a second spelling of the same host."""
    host = (parsed.host or "").rstrip(".")
    if not host:
        raise PermanentError("bad_url", "it names no host")
    if "%" in host:
        raise PermanentError("bad_url", "the host contains a percent sign, as for a zone or an encoded character")
    allowed = settings.allowed_asset_hosts
    if allowed and not any(fnmatchcase(host, pattern.lower()) for pattern in allowed):
        raise PermanentError("forbidden_host", f"{host} is not in STEMVAULT_ALLOWED_ASSET_HOSTS")
    return host


def check_redirect(url: str, location: str, settings: Settings) -> str:
    """Check a redirect's target and return its URL. Raises ``PermanentError``."""
    target = check_url(urljoin(url, location), settings)
    if url.startswith("https:") and not target.startswith("https:"):
        raise PermanentError("redirect_to_http", "a redirect from https must lead to https")
    return target
