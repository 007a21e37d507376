"""Sessions for hosts outside: nothing of the environment goes into a request, and nothing of an answer stays."""

from collections.abc import Callable
from http.cookiejar import DefaultCookiePolicy

import requests
from requests.adapters import DEFAULT_POOLSIZE, HTTPAdapter

from workers.connections.pools import POOLS


def open_session(
    accept: str, at_once: int, adapter_for: Callable[[str], HTTPAdapter] = lambda _: HTTPAdapter()
) -> requests.Session:
    """Make a session for ``at_once`` threads, which accepts answers of the media type ``accept``.

    It ignores the environment (no proxy, no netrc, no certificates), stores no cookies, and always verifies TLS. Its
    connections belong to the attempt that uses them (``workers.connections.pools``). ``adapter_for`` makes the adapter
    of a scheme, ``http`` or ``https``.
    """
    session = requests.Session()
    session.trust_env = False
    # A host's cookies would be sent with other tasks' requests. Held by test_no_cookie_is_kept_or_sent.
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    session.headers.update({"User-Agent": "stemvault", "Accept": accept, "Accept-Encoding": "identity"})
    for scheme in POOLS:
        adapter = adapter_for(scheme)
        adapter.init_poolmanager(DEFAULT_POOLSIZE, at_once)
        adapter.poolmanager.pool_classes_by_scheme = POOLS
        session.mount(f"{scheme}://", adapter)
    return session
