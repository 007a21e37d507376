"""No packet of ours goes to an address inside our own network: a real listener counts what arrives."""

import socket
from collections.abc import Iterator
from typing import Any

import pytest
from requests_hardened.ip_filter import filter_host

from config.settings import Settings
from tests.conftest import MakeSettings
from tests.origin import Answer, Origin, counting_listener
from workers.egress import check_redirect, check_url, open_session
from workers.errors import PermanentError
from workers.source import open_source


@pytest.fixture(scope="module")
def listener() -> Iterator[tuple[int, Any]]:
    with counting_listener() as running:
        yield running


def refusal(url: str, settings: Settings) -> str:
    """Fetch the URL and give the reason for which it was rejected for good."""
    with pytest.raises(PermanentError) as raised, open_source(open_session(settings), url, settings, clock=lambda: 0.0):
        pass
    return raised.value.reason


SPELLINGS = [
    "http://127.0.0.1:{port}/",
    "http://127.0.0.1.:{port}/",
    "http://127.1:{port}/",
    "http://127.0.1:{port}/",
    "http://127.255.255.254:{port}/",
    "http://2130706433:{port}/",
    "http://0x7f.1:{port}/",
    "http://0x7f000001:{port}/",
    "http://0177.0.0.1:{port}/",
    "http://017700000001:{port}/",
    "http://0:{port}/",
    "http://0.0.0.0:{port}/",
    "http://localhost:{port}/",
    "http://LOCALHOST:{port}/",
    "http://[::1]:{port}/",
    "http://[::]:{port}/",
    "http://[0:0:0:0:0:0:0:1]:{port}/",
    "http://[::ffff:127.0.0.1]:{port}/",
    "http://[::ffff:7f00:1]:{port}/",
    "http://[64:ff9b::7f00:1]:{port}/",
    "http://[2002:7f00:1::]:{port}/",
    "https://127.0.0.1:{port}/",
    "http://169.254.169.254/latest/meta-data/",
    "http://[fd00:ec2::254]/latest/meta-data/",
    "http://[fe80::1]:{port}/",
    "http://[fec0::1]:{port}/",
    "http://10.0.0.1/",
    "http://172.16.0.1/",
    "http://192.168.0.1/",
    "http://100.64.0.1/",
    "http://198.18.0.1/",
    "http://224.0.0.1/",
    "http://255.255.255.255/",
]


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_an_address_inside_our_network_is_rejected_however_it_is_spelled(
    make_settings: MakeSettings, listener: tuple[int, Any], spelling: str
) -> None:
    port, connections = listener
    settings = make_settings(ALLOWED_ASSET_PORTS="*")
    assert refusal(spelling.format(port=port), settings) in {"forbidden_address", "bad_url"}
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


def test_a_redirect_to_an_address_inside_our_network_is_not_followed(
    make_settings: MakeSettings, listener: tuple[int, Any], origin: Origin, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The origin plays a public host: the one address that the filter is told to let through is its own."""
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
    monkeypatch.setattr("workers.egress._is_public", lambda address: str(address) == "127.0.0.1")
    origin.serve("/a.mp3", Answer(status=302, headers={"Location": f"http://[::1]:{port}/"}))
    settings = make_settings(ALLOWED_ASSET_PORTS="*")
    assert refusal(f"http://public.test:{origin_port}/a.mp3", settings) == "forbidden_address"
    assert origin.count("/a.mp3") == 1
    assert connections() == 0


def _filter(host: str, port: int) -> str:
    return str(filter_host(host, port, allow_loopback=False))


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("ftp://files.example.com/a.mp3", "bad_scheme"),
        ("file:///etc/passwd", "bad_scheme"),
        ("gopher://files.example.com/", "bad_scheme"),
        ("javascript:alert(1)", "bad_scheme"),
        ("//files.example.com/a.mp3", "bad_scheme"),
        ("pending", "bad_scheme"),
        ("http://user@files.example.com/", "credentials_in_url"),
        ("http://user:word@files.example.com/", "credentials_in_url"),
        ("http://files.example.com:22/", "forbidden_port"),
        ("http://files.example.com:6379/", "forbidden_port"),
        ("https://files.example.com:8443/", "forbidden_port"),
        ("http://", "bad_url"),
        ("http://[::1", "bad_url"),
        ("http://files.example.com:99999/", "bad_url"),
        ("http://files.example.com:port/", "bad_url"),
    ],
)
def test_what_no_provider_sends_is_rejected_before_any_name_is_resolved(
    make_settings: MakeSettings, url: str, reason: str
) -> None:
    with pytest.raises(PermanentError) as raised:
        check_url(url, make_settings())
    assert raised.value.reason == reason


def test_only_the_hosts_that_are_listed_are_fetched_from(make_settings: MakeSettings) -> None:
    settings = make_settings(ALLOWED_ASSET_HOSTS="*.cdn.example, files.example")
    assert check_url("https://a.cdn.example/x", settings)
    assert check_url("https://FILES.example./x", settings)
    for url in ("https://cdn.example/x", "https://evil.example/x", "https://files.example.evil.example/x"):
        with pytest.raises(PermanentError) as raised:
            check_url(url, settings)
        assert raised.value.reason == "forbidden_host"


def test_a_redirect_from_https_to_http_is_not_followed(make_settings: MakeSettings) -> None:
    assert check_redirect("https://a.example/x", "/y", make_settings()) == "https://a.example/y"
    assert check_redirect("http://a.example/x", "https://b.example/y", make_settings()) == "https://b.example/y"
    with pytest.raises(PermanentError) as raised:
        check_redirect("https://a.example/x", "http://a.example/y", make_settings())
    assert raised.value.reason == "redirect_to_http"
