"""``stemvault doctor`` on the provider: whether it answers, accepts the key, and gets the key encrypted."""

import ipaddress
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit
from uuid import uuid4

from app.cli.doctor.finding import Finding
from config.settings import PREFIX, Settings
from workers.context import open_provider
from workers.provider.client import ProviderClient
from workers.provider.errors import ProviderError, WrongKeyError
from workers.provider.families import FAMILIES

_FAMILY = FAMILIES["music"]
_ADVICE = {
    "maintenance": "Workers ask again by themselves; tasks wait meanwhile.",
    "rate_limited": f"Workers wait and ask again. If it lasts, set {PREFIX}PROVIDER_RATE to less.",
    "out_of_credits": "Buy credits, or raise the key's limit. Workers ask again by themselves.",
    "not_offered": f"The host does not have the path {_FAMILY.path}. Check {PREFIX}PROVIDER_BASE_URL.",
    "provider_fault": f"Check {PREFIX}PROVIDER_BASE_URL and this host's way there. Workers ask again by themselves.",
}


def examine_provider(
    settings: Settings, connect: Callable[[Settings], ProviderClient | None] = open_provider
) -> Iterator[Finding]:
    """Ask the provider about a task that does not exist. Without a key there is one finding, that nothing is asked."""
    if not settings.provider_base_url:
        yield Finding("provider", f"provider is not asked about tasks: {PREFIX}PROVIDER_BASE_URL is not set", good=True)
        return
    client = connect(settings)
    if client is None:
        advice = f"Set {PREFIX}PROVIDER_API_KEY, here and for the workers."
        yield Finding("provider", "provider is asked about tasks", good=False, warning=True, advice=advice)
        return
    yield _answer(client)
    if urlsplit(settings.provider_base_url).scheme == "http" and not _is_loopback(settings.provider_base_url):
        yield Finding(
            "provider_encrypted",
            "provider is asked through TLS",
            good=False,
            warning=True,
            advice=f"The API key is sent unencrypted. Write https:// in {PREFIX}PROVIDER_BASE_URL.",
        )
    if not settings.public_url:
        yield Finding(
            "public_url",
            "the provider's way to the ingress is known",
            good=False,
            warning=True,
            advice=f"Tasks that are submitted through the console need it as callBackUrl: set {PREFIX}PUBLIC_URL.",
        )


def _answer(client: ProviderClient) -> Finding:
    """Ask about a random id. The provider does not know it, which shows that address and key work."""
    name, what = "provider", "provider answers and accepts the key"
    try:
        client.ask(_FAMILY, f"doctor-{uuid4().hex}")
    except WrongKeyError as error:
        advice = (
            f"{_sentence(error)} Correct {PREFIX}PROVIDER_API_KEY, here and for the workers, and restart them. "
            f"Check that the key is one of the host in {PREFIX}PROVIDER_BASE_URL."
        )
        return Finding(name, what, good=False, advice=advice, value=error.reason)
    except ProviderError as error:
        advice = f"{_sentence(error)} {_ADVICE.get(error.reason, _ADVICE['provider_fault'])}"
        return Finding(name, what, good=False, warning=True, advice=advice, value=error.reason)
    return Finding(name, what, good=True)


def _sentence(error: ProviderError) -> str:
    return f"{str(error).rstrip('.')}."


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
