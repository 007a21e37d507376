"""The statements of SECURITY.md on the installation, checked in the files that install."""

import re
from pathlib import Path

import pytest

from tests.conftest import MakeSettings

ROOT = Path(__file__).parents[2]


def text_of(name: str) -> str:
    return (ROOT / name).read_text()


def test_every_pinned_package_has_a_version_and_a_hash() -> None:
    entries = re.split(r"\n(?=[a-z0-9])", text_of("constraints.txt").partition("\n")[2].strip())
    assert len(entries) > 50
    for entry in entries:
        assert re.match(r"[a-z0-9._-]+(\[.*?\])?==\S+", entry), entry
        assert "--hash=sha256:" in entry, entry


@pytest.mark.parametrize("name", ["Makefile", "Dockerfile"])
def test_packages_are_installed_with_their_hashes(name: str) -> None:
    assert re.search(r"--require-hashes .*--requirement constraints\.txt", text_of(name))


def test_the_image_asks_no_index_for_anything_without_a_hash_and_does_not_run_as_root() -> None:
    text = text_of("Dockerfile")
    assert all("--require-hashes" in line or "--no-index" in line for line in text.splitlines() if "pip " in line)
    assert re.search(r"^USER [1-9]\d*:[1-9]\d*$", text, re.MULTILINE)


@pytest.mark.parametrize("name", ["ingress", "worker", "beat", "console"])
def test_our_containers_have_no_more_rights_than_they_need(name: str) -> None:
    shared, _, services = text_of("docker-compose.yml").partition("\nservices:\n")
    for line in ("read_only: true", "cap_drop: [ALL]", 'security_opt: ["no-new-privileges:true"]'):
        assert f"\n  {line}\n" in shared
    service = services.partition(f"  {name}:\n")[2].split("\n\n")[0]
    assert service.startswith("    <<: *stemvault\n")
    for right in ("read_only", "cap_", "security_opt", "privileged", "user:"):
        assert right not in service


@pytest.mark.parametrize(
    ("name", "keys"),
    [
        ("ingress", set()),
        ("worker", {"PROVIDER_API_KEY"}),
        ("beat", set()),
        ("console", {"PROVIDER_API_KEY", "ADMIN_TOKEN"}),
    ],
)
def test_a_container_has_only_the_keys_that_it_uses(name: str, keys: set[str]) -> None:
    text = text_of("docker-compose.yml")
    without = text.partition("\nx-without-keys: &without-keys\n")[2].partition("\n\n")[0]
    service = text.partition(f"\n  {name}:\n")[2].split("\n\n")[0]
    environment = service.replace("environment: *without-keys", without)
    assert keys == {"PROVIDER_API_KEY", "ADMIN_TOKEN"} - set(re.findall(r'STEMVAULT_(\w+): ""', environment))
    assert ("<<: *environment" in environment) == (len(keys) < 2), "the addresses of Redis and S3 are missing"


def test_an_empty_key_counts_as_unset(make_settings: MakeSettings) -> None:
    settings = make_settings(PROVIDER_BASE_URL="https://api.provider.test", PROVIDER_API_KEY="", ADMIN_TOKEN="")
    assert (settings.provider_api_key, settings.admin_token, settings.asks_the_provider) == (None, None, False)


def test_the_console_is_started_only_on_demand_and_published_on_loopback_alone() -> None:
    service = text_of("docker-compose.yml").partition("  console:\n")[2].split("\n\n")[0]
    assert "    profiles: [console]\n" in service
    assert re.findall(r"ports: (.*)", service) == ['["127.0.0.1:8001:8001"]']


def test_the_console_listens_on_loopback_unless_an_address_is_given() -> None:
    assert re.findall(r'^bind = "(.*)"$', text_of("config/console_gunicorn.py"), re.MULTILINE) == ["127.0.0.1:8001"]
