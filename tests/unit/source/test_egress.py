"""No packet goes to an address inside our own network: a real listener counts the connections that it gets."""

import socket
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from requests.adapters import HTTPAdapter
from requests_hardened.ip_filter import filter_host

from config.settings import Settings
from tests.conftest import MakeSettings
from tests.origin import Answer, Origin, counting_listener
from workers.connections.pools import POOLS
from workers.errors import AssetError, PermanentError
from workers.source.egress import open_session
from workers.source.opening import open_source


@pytest.fixture(scope="module")
def listener() -> Iterator[tuple[int, Any]]:
    with counting_listener() as running:
        yield running


def refusal(url: str, settings: Settings) -> str:
    """Fetch the URL and return the reason for its permanent rejection."""
    with pytest.raises(PermanentError) as raised, open_source(open_session(settings), url, settings, clock=lambda: 0.0):
        pass
    return raised.value.reason


SPELLINGS = [
    # One address, in all spellings that some resolver accepts
    "http://127.0.0.1:{port}/",
    "http://127.0.0.1.:{port}/",
    "http://127.1:{port}/",
    "http://127.0.1:{port}/",
    "http://127.255.255.254:{port}/",
    "http://127.00.00.01:{port}/",
    "http://127.000.000.001:{port}/",
    "http://2130706433:{port}/",
    "http://0x7f.1:{port}/",
    "http://0x7f.0x0.0x0.0x1:{port}/",
    "http://0X7F000001:{port}/",
    "http://0x7f000001:{port}/",
    "http://0x00000000007f000001:{port}/",
    "http://0177.0.0.1:{port}/",
    "http://0177.0.0.01:{port}/",
    "http://00000177.1:{port}/",
    "http://017700000001:{port}/",
    "http://0177.0x0.1:{port}/",
    "http://0:{port}/",
    "http://0.0:{port}/",
    "http://0.0.0.0:{port}/",
    "http://00.0.0.0:{port}/",
    # Names of this machine
    "http://localhost:{port}/",
    "http://LOCALHOST:{port}/",
    "http://localhost.:{port}/",
    "http://localhost..:{port}/",
    "http://lo%63alhost:{port}/",
    "http://%6c%6f%63%61%6c%68%6f%73%74:{port}/",
    "http://{hostname}:{port}/",
    # Characters that some library normalises to digits, dots and letters
    "http://\uff11\uff12\uff17.0.0.1:{port}/",
    "http://127\u30020\u30020\u30021:{port}/",
    "http://127\uff0e0\uff0e0\uff0e1:{port}/",
    "http://127\uff610\uff610\uff611:{port}/",
    "http://\u2460\u2461\u2466.0.0.1:{port}/",
    "http://\U0001d7cf\U0001d7d0\U0001d7d5.0.0.1:{port}/",
    "http://\u24db\u24de\u24d2\u24d0\u24db\u24d7\u24de\u24e2\u24e3:{port}/",
    "http://l\u00adocalhost:{port}/",
    "http://local\u200bhost:{port}/",
    "http://127%2e0%2e0%2e1:{port}/",
    "http://%31%32%37.0.0.1:{port}/",
    "http://127.0.0.1%00.example.com:{port}/",
    "http://127.0.0.1\x00.example.com:{port}/",
    # IPv6, and IPv4 inside it
    "http://[::1]:{port}/",
    "http://[::]:{port}/",
    "http://[0:0:0:0:0:0:0:1]:{port}/",
    "http://[0000:0000:0000:0000:0000:0000:0000:0001]:{port}/",
    "http://[::1%25lo]:{port}/",
    "http://[::1%lo]:{port}/",
    "http://[::0.0.0.1]:{port}/",
    "http://[::127.0.0.1]:{port}/",
    "http://[::ffff:127.0.0.1]:{port}/",
    "http://[::ffff:7f00:1]:{port}/",
    "http://[0:0:0:0:0:ffff:127.0.0.1]:{port}/",
    "http://[::ffff:0:127.0.0.1]:{port}/",
    "http://[64:ff9b::7f00:1]:{port}/",
    "http://[64:ff9b::127.0.0.1]:{port}/",
    "http://[64:ff9b:1::7f00:1]:{port}/",
    "http://[2002:7f00:1::]:{port}/",
    "http://[2001:0:7f00:1::]:{port}/",
    "http://[fe80::1]:{port}/",
    "http://[fe80::1%25eth0]:{port}/",
    "http://[fec0::1]:{port}/",
    "http://[fd00:ec2::254]/latest/meta-data/",
    "http://[ff02::1]:{port}/",
    # The host that a reader sees is not the host that is asked
    "http://user@127.0.0.1:{port}/",
    "http://files.example.com@127.0.0.1:{port}/",
    "http://files.example.com:80@127.0.0.1:{port}/",
    "http://files.example.com%40127.0.0.1:{port}/",
    "http://127.0.0.1:{port}#@files.example.com/",
    "http://127.0.0.1:{port}?@files.example.com/",
    "http://127.0.0.1:{port}\\@files.example.com/",
    "http://127.0.0.1:{port};@files.example.com/",
    "http:\\\\127.0.0.1:{port}\\",
    "http:127.0.0.1:{port}/",
    "http:///127.0.0.1:{port}/",
    "http:////127.0.0.1:{port}/",
    " http://127.0.0.1:{port}/",
    "http://\t127.0.0.1:{port}/",
    "http://127.0.0.1\n:{port}/",
    "ht\ntp://127.0.0.1:{port}/",
    "HTTP://127.0.0.1:{port}/",
    "https://127.0.0.1:{port}/",
    # Other networks that are not public
    "http://169.254.169.254/latest/meta-data/",
    "http://2852039166/latest/meta-data/",
    "http://10.0.0.1/",
    "http://172.16.0.1/",
    "http://192.168.0.1/",
    "http://192.0.0.1/",
    "http://100.64.0.1/",
    "http://198.18.0.1/",
    "http://224.0.0.1/",
    "http://240.0.0.1/",
    "http://255.255.255.255/",
]


#: Numbers that some resolvers wrap around into an address, and a name that not every machine has.
UNRESOLVABLE = ["http://6425673729:{port}/", "http://383.0.0.1:{port}/", "http://ip6-localhost:{port}/"]


def why_not(url: str, settings: Settings) -> str:
    """Fetch the URL and return the reason of the failure, permanent or not."""
    with pytest.raises(AssetError) as raised, open_source(open_session(settings), url, settings, clock=lambda: 0.0):
        pass
    return raised.value.reason


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_an_address_inside_our_network_is_rejected_however_it_is_spelled(
    make_settings: MakeSettings, listener: tuple[int, Any], spelling: str
) -> None:
    port, connections = listener
    settings = make_settings(ALLOWED_ASSET_PORTS="*")
    url = spelling.format(port=port, hostname=socket.gethostname())
    assert refusal(url, settings) in {"forbidden_address", "bad_url", "credentials_in_url"}
    assert connections() == 0


@pytest.mark.parametrize("spelling", UNRESOLVABLE)
def test_a_name_without_an_address_leads_nowhere(
    make_settings: MakeSettings, listener: tuple[int, Any], spelling: str
) -> None:
    port, connections = listener
    settings = make_settings(ALLOWED_ASSET_PORTS="*")
    assert why_not(spelling.format(port=port), settings) in {"unreachable", "forbidden_address"}
    assert connections() == 0


@pytest.mark.parametrize("address", ["127.0.0.1", "10.1.2.3", "169.254.169.254", "::1", "fd00::1"])
def test_a_public_name_that_resolves_to_a_private_address_is_rejected(
    make_settings: MakeSettings, listener: tuple[int, Any], monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    port, connections = listener
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [(family, socket.SOCK_STREAM, 6, "", (address, port))])
    settings = make_settings(ALLOWED_ASSET_PORTS="*")
    assert refusal(f"http://files.example.com:{port}/a.mp3", settings) == "forbidden_address"
    assert connections() == 0


FOLLOWED = [
    *(Answer(status=status, headers={"Location": "{target}"}) for status in (301, 302, 303, 307, 308)),
    Answer(status=302, headers={"Location": "//[::1]:{port}/"}),
    Answer(status=302, headers={"Location": "//2130706433:{port}/"}),
]
IGNORED = [
    *(Answer(status=status, headers={"Location": "{target}"}) for status in (300, 304, 305, 306)),
    Answer(headers={"Refresh": "0; url={target}"}),
    Answer(status=302, headers={"Refresh": "0; url={target}"}),
    Answer(headers={"Location": "{target}", "Content-Location": "{target}"}),
    Answer(b'<meta http-equiv="refresh" content="0; url={target}">', headers={"Content-Type": "text/html"}),
    Answer(status=201, headers={"Location": "{target}"}),
    Answer(status=401, headers={"Location": "{target}", "WWW-Authenticate": "Basic"}),
    Answer(status=302, headers={"URI": "{target}"}),
]


@pytest.mark.parametrize("answer", [*FOLLOWED, *IGNORED])
def test_a_redirect_to_an_address_inside_our_network_is_not_followed(
    make_settings: MakeSettings,
    listener: tuple[int, Any],
    origin: Origin,
    monkeypatch: pytest.MonkeyPatch,
    answer: Answer,
) -> None:
    """The origin stands in for a public host: the filter lets its address through, and no other."""
    port, connections = listener
    origin_port = int(origin.url.rpartition(":")[2])
    real = socket.getaddrinfo

    def resolve(host: str, *args: Any, **kwargs: Any) -> Any:
        return real("127.0.0.1" if host == "public.test" else host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    monkeypatch.setattr(
        "requests_hardened.ip_filter_adapter.filter_host",
        lambda host, port, **_: "127.0.0.1" if host == "public.test" else _filter(host, port),
    )
    monkeypatch.setattr("workers.source.egress._is_public", lambda address: str(address) == "127.0.0.1")
    headers = {name: value.format(target=f"http://[::1]:{port}/", port=port) for name, value in answer.headers.items()}
    origin.serve("/a.mp3", replace(answer, headers=headers))
    settings = make_settings(ALLOWED_ASSET_PORTS="*")
    url = f"http://public.test:{origin_port}/a.mp3"
    if answer in FOLLOWED:
        assert refusal(url, settings) == "forbidden_address"
    else:
        with suppress(AssetError), open_source(open_session(settings), url, settings, clock=lambda: 0.0):
            pass
    assert origin.count("/a.mp3") == 1
    assert connections() == 0


@pytest.mark.parametrize("private", ["true", "false"])
def test_every_connection_to_a_source_ends_with_its_attempt(make_settings: MakeSettings, private: str) -> None:
    session = open_session(make_settings(ALLOW_PRIVATE_ADDRESSES=private))
    for scheme, pool in POOLS.items():
        adapter = session.get_adapter(f"{scheme}://files.example.com/")
        assert isinstance(adapter, HTTPAdapter)
        assert type(adapter.poolmanager.connection_from_host("192.0.2.1", 80, scheme)) is pool


def test_the_listener_counts_a_connection_if_private_addresses_are_allowed(make_settings: MakeSettings) -> None:
    with counting_listener() as (port, connections):
        settings = make_settings(ALLOWED_ASSET_PORTS="*", ALLOW_PRIVATE_ADDRESSES="true")
        assert why_not(f"http://2130706433:{port}/", settings) == "unreachable"
        assert connections() == 1


PUBLIC, PRIVATE = "93.184.216.34", "127.0.0.1"


@pytest.mark.parametrize(
    ("answers", "asked"),
    [
        ([[PUBLIC, PRIVATE]], [PUBLIC]),
        ([[PRIVATE, PUBLIC]], []),
        ([[PUBLIC], [PRIVATE]], [PUBLIC]),
        ([[PRIVATE], [PUBLIC]], []),
    ],
)
def test_a_name_with_several_answers_is_asked_at_the_address_that_was_checked_or_not_at_all(
    make_settings: MakeSettings, monkeypatch: pytest.MonkeyPatch, answers: list[list[str]], asked: list[str]
) -> None:
    """The first answer is checked and connected to; the name is not resolved again."""
    connections: list[str] = []
    left = list(answers)

    def resolve(host: str, port: int, *_: Any, **__: Any) -> Any:
        found = [host] if host in {PUBLIC, PRIVATE} else left.pop(0)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in found]

    def connect(_: socket.socket, address: tuple[str, int]) -> None:
        connections.append(address[0])
        raise ConnectionRefusedError

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    monkeypatch.setattr(socket.socket, "connect", connect)
    reason = why_not("http://a.example/", make_settings())
    assert reason == ("unreachable" if asked else "forbidden_address")
    assert connections == asked


def _filter(host: str, port: int) -> str:
    return str(filter_host(host, port, allow_loopback=False))
