"""Which URLs and redirects are refused before any name is resolved."""

import pytest

from tests.conftest import MakeSettings
from workers.errors import PermanentError
from workers.source.egress import check_redirect, check_url


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
def test_an_invalid_url_is_rejected_before_any_name_is_resolved(
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
