"""``stemvault doctor`` on the provider."""

import pytest

from app.cli.doctor.provider import examine_provider
from tests.conftest import MakeSettings
from workers.provider.answers import Answer
from workers.provider.errors import MaintenanceError, ProviderError, ProviderFaultError, WrongKeyError
from workers.provider.families import PolledFamily, State

KEY = "a-secret-key"
SECURE = "https://api.provider.test"


def examined(
    make_settings: MakeSettings, monkeypatch: pytest.MonkeyPatch, error: ProviderError | None = None, **settings: str
) -> dict[str, tuple[str, str]]:
    """Give each finding's verdict and advice, if the provider answers with this error, or does not know the task."""

    def ask(_: object, family: PolledFamily, task_id: str) -> Answer:
        assert (family.name, task_id[:7]) == ("music", "doctor-")
        if error:
            raise error
        return Answer(State.UNKNOWN)

    monkeypatch.setattr("workers.provider.client.ProviderClient.ask", ask)
    found = list(examine_provider(make_settings(**settings)))
    assert KEY not in str(found)
    return {each.name: (each.verdict, "" if each.good else each.advice) for each in found}


def test_without_an_address_nothing_is_asked_and_nothing_is_wrong(
    make_settings: MakeSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert examined(make_settings, monkeypatch) == {"provider": ("ok", "")}
    verdict, advice = examined(make_settings, monkeypatch, PROVIDER_BASE_URL=SECURE)["provider"]
    assert (verdict, "Set STEMVAULT_PROVIDER_API_KEY" in advice) == ("warn", True)


@pytest.mark.parametrize(
    ("error", "verdict", "advice"),
    [
        (None, "ok", ""),
        (WrongKeyError("401"), "fail", "Correct STEMVAULT_PROVIDER_API_KEY"),
        (MaintenanceError("455"), "warn", "Workers ask again by themselves"),
        (ProviderFaultError("ConnectionError"), "warn", "Check STEMVAULT_PROVIDER_BASE_URL"),
    ],
)
def test_the_answer_tells_whether_address_and_key_work(
    make_settings: MakeSettings,
    monkeypatch: pytest.MonkeyPatch,
    error: ProviderError | None,
    verdict: str,
    advice: str,
) -> None:
    found = examined(
        make_settings, monkeypatch, error,
        PROVIDER_BASE_URL=SECURE, PROVIDER_API_KEY=KEY, PUBLIC_URL="https://me.test",
    )  # fmt: skip
    assert found.keys() == {"provider"}
    assert found["provider"][0] == verdict
    assert advice in found["provider"][1]


@pytest.mark.parametrize(
    ("url", "warned"),
    [
        ("http://api.provider.test", True), ("http://10.0.0.1", True), ("http://127.0.0.1:8", False),
        ("http://[::1]:8", False), ("http://localhost:8", False), (SECURE, False),
    ],
)  # fmt: skip
def test_a_key_that_would_travel_in_clear_is_told(
    make_settings: MakeSettings, monkeypatch: pytest.MonkeyPatch, url: str, *, warned: bool
) -> None:
    found = examined(make_settings, monkeypatch, PROVIDER_BASE_URL=url, PROVIDER_API_KEY=KEY)
    assert ("provider_encrypted" in found) == warned
    assert found["public_url"][0] == "warn"
