"""Only who has the administrator's token is let in."""

import pytest

from app.console import create_app
from tests.conftest import MakeSettings
from tests.unit.console.conftest import TOKEN, Console, Provider


@pytest.mark.parametrize("path", ["/tasks", "/tasks/a", "/provider/generate", "/nothing", "/"])
@pytest.mark.parametrize(
    ("header", "reason"),
    [
        ("", "no_admin_token"),
        (TOKEN, "no_admin_token"),
        (f"Basic {TOKEN}", "no_admin_token"),
        ("Bearer ", "no_admin_token"),
        ("Bearer a-token-of-the-consolE", "wrong_admin_token"),
        (f"Bearer {TOKEN}x", "wrong_admin_token"),
        ("Bearer schlüssel", "wrong_admin_token"),
    ],
)
def test_without_the_token_every_path_answers_401_with_a_reason(
    console: Console, provider: Provider, path: str, header: str, reason: str
) -> None:
    for method in ("GET", "POST", "PUT"):
        answer = console.send(path, method=method, headers={"Authorization": header} if header else {})
        assert (answer.status_code, answer.json["error"]) == (401, reason)
        assert TOKEN not in answer.text
    assert provider.requests == []


def test_the_health_of_the_process_is_open_to_probes(console: Console) -> None:
    answer = console.client.get("/healthz")
    assert (answer.status_code, answer.json) == (200, {"status": "alive"})


def test_the_scheme_is_read_in_any_case(console: Console) -> None:
    assert console.client.get("/tasks/none", headers={"Authorization": f"bearer {TOKEN}"}).status_code == 404


def test_without_an_admin_token_it_refuses_to_start_and_names_the_setting(
    make_settings: MakeSettings, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as raised:
        create_app(make_settings())
    assert raised.value.code == 4
    assert "STEMVAULT_ADMIN_TOKEN" in capsys.readouterr().err


def test_errors_are_json(console: Console) -> None:
    assert console.get("/nothing").json["error"] == "not_found"
    wrong_method = console.get("/tasks")
    assert (wrong_method.status_code, set(wrong_method.headers["Allow"].split(", "))) == (405, {"OPTIONS", "POST"})
    plain = console.post("/tasks", {}, **{"Content-Type": "text/plain"})
    assert (plain.status_code, plain.json["error"]) == (415, "unsupported_media_type")
    large = console.post("/tasks", "x" * 1024**2)
    assert (large.status_code, large.json["error"]) == (413, "too_large")
