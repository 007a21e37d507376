"""Shared by all tests: an environment without the machine's own settings, payloads, and an origin."""

import json
import os
import signal
import subprocess
import time
import zipfile
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import settings as hypothesis_settings

from config.logging import configure_logging
from config.settings import Settings, load_settings
from tests.origin import Origin, running_origin

PAYLOADS = Path(__file__).parent / "payloads"
_STRAY = ("AWS_", "STEMVAULT_", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT")
_PROXIES = {"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"}

hypothesis_settings.register_profile("stemvault", deadline=None)
hypothesis_settings.load_profile("stemvault")

for _name in list(os.environ):
    if _name.startswith(_STRAY) or _name.upper() in _PROXIES:
        del os.environ[_name]
os.environ |= {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
}

configure_logging()
# A shell starts background jobs with SIGINT ignored. Child processes would inherit that, and tests interrupt them.
signal.signal(signal.SIGINT, signal.default_int_handler)

#: Names of fields that repeat the customer's request. No URL below them may be fetched.
ECHOES = (
    "param", "paramJson", "promptJson", "prompt", "input", "callBackUrl", "callbackUrl", "progressCallBackUrl",
)  # fmt: skip

MakeSettings = Callable[..., Settings]
Found = TypeVar("Found")
Payload = Callable[..., dict[str, Any]]


def eventually(look: Callable[[], Found | None], *, patience: float = 30.0) -> Found:
    """Call ``look`` until it gives something truthy, and give that; fail after ``patience`` seconds."""
    give_up_at = time.monotonic() + patience
    while not (found := look()):
        assert time.monotonic() < give_up_at, f"not so within {patience} s: {look}"
        time.sleep(0.05)
    return found


@cache
def _settings_of(environment: frozenset[tuple[str, str]]) -> Settings:
    """Read the settings from these variables, once: settings do not change, and reading them takes milliseconds."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment:
            patch.setenv(name, value)
        return load_settings()


@pytest.fixture
def make_settings() -> MakeSettings:
    """Make settings from environment variables without their prefix, added to those that are required."""

    def make(**variables: str) -> Settings:
        least = {"REDIS_URL": "redis://127.0.0.1:1/0", "S3_BUCKET": "vault", "ALLOW_UNSIGNED": "true"}
        wanted = {f"STEMVAULT_{name}": value for name, value in {**least, **variables}.items()}
        present = {name: value for name, value in os.environ.items() if name.startswith("STEMVAULT_")}
        return _settings_of(frozenset((present | wanted).items()))

    return make


@pytest.fixture
def payload() -> Payload:
    """Read one of the provider's callbacks; ``origin`` replaces the address of its files."""

    def read(name: str, origin: str = "http://origin.test") -> dict[str, Any]:
        text = (PAYLOADS / f"{name}.json").read_text()
        loaded: dict[str, Any] = json.loads(text.replace("http://origin.test", origin))
        return loaded

    return read


@pytest.fixture
def origin() -> Iterator[Origin]:
    """Run a provider's file server."""
    with running_origin() as running:
        yield running


def preloaded(source: Path, directory: Path) -> str:
    """Compile a C file into a library for ``LD_PRELOAD``, and give its path. Needs a C compiler."""
    library = directory / f"{source.stem}.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
    return str(library)


def wrong_clock(directory: Path, seconds_ahead: int) -> dict[str, str]:
    """Give the variables that set a process's clock ahead."""
    return {
        "LD_PRELOAD": preloaded(Path(__file__).with_name("skewed_clock.c"), directory),
        "CLOCK_AHEAD": str(seconds_ahead),
    }


def older_version(directory: Path) -> dict[str, str]:
    """Give the variables that make a process run version 0.1.0, for deploys that have two versions on one Redis.

    Its wheel was built from commit 729df9a; its ledger has format 1.
    """
    with zipfile.ZipFile(Path(__file__).parent / "releases" / "stemvault-0.1.0-py3-none-any.whl") as wheel:
        wheel.extractall(directory / "older")
    return {"PYTHONPATH": str(directory / "older")}
