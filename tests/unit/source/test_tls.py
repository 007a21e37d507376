"""A source's TLS certificate is verified, and neither the settings nor the environment can switch that off."""

import socket
import ssl
import threading
from pathlib import Path

import pytest
import trustme

from tests.conftest import MakeSettings
from workers.errors import TransientError
from workers.source.egress import open_session
from workers.source.opening import open_source


def test_a_certificate_of_an_unknown_authority_is_refused_whatever_the_environment_says(
    make_settings: MakeSettings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    for variable in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"):
        monkeypatch.setenv(variable, str(tmp_path / "authority.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    settings = make_settings(ALLOWED_ASSET_PORTS="*", ALLOW_PRIVATE_ADDRESSES="true")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        handshakes: list[str] = []

        def answer() -> None:
            try:
                with context.wrap_socket(listener.accept()[0], server_side=True) as client:
                    handshakes.append(client.recv(4).decode())
            except OSError as error:
                handshakes.append(type(error).__name__)

        server = threading.Thread(target=answer)
        server.start()
        url = f"https://127.0.0.1:{listener.getsockname()[1]}/a.mp3"
        with (
            pytest.raises(TransientError) as raised,
            open_source(open_session(settings), url, settings, clock=lambda: 0.0),
        ):
            pass
        server.join(10)
    assert raised.value.reason == "unreachable"
    assert handshakes == ["SSLError"]
