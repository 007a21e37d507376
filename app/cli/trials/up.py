"""``stemvault up``: everything on embedded defaults, until Ctrl-C."""

import json
import os
import shlex
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, closing
from socket import socket

from rich.console import Console

from app.embedded.processes import StartError, free_port
from app.embedded.provider import Options
from app.embedded.stack import BUCKET, Stack
from config.settings import PREFIX

_EMBEDDED = {"STEMVAULT_REDIS_URL", "STEMVAULT_S3_BUCKET"}
#: A callback that names a file which does not exist, to be pasted as it is printed.
_TRIAL = '{"code": 200, "data": {"task_id": "first-try", "video_url": "https://files.example/first-try.mp4"}}'
#: Secrets that ``status`` does not need.
_NOT_SHOWN = {"STEMVAULT_PROVIDER_API_KEY", "STEMVAULT_ADMIN_TOKEN"}
_AUTHENTICATION = {"STEMVAULT_WEBHOOK_HMAC_KEYS", "STEMVAULT_CALLBACK_TOKEN", "STEMVAULT_ALLOW_UNSIGNED"}


def stay_up(
    console: Console, port: int, embedded: Callable[..., AbstractContextManager[Stack]], *, provider: bool = False
) -> None:
    """Start all processes, print their addresses, and stay until Ctrl-C, SIGTERM or SIGHUP.

    The caller's ``STEMVAULT_…`` settings apply, except for Redis and the bucket, which are embedded. Without a setting
    for authentication, anyone on this machine can send callbacks. ``provider`` starts a fake provider too, in place
    of the one that the caller's settings name.
    """
    settings = {**_settings(), **(_provider_settings(port) if provider else {})}
    _check_port(port)
    with embedded(settings, ingress_port=port) as stack:
        try:
            with console.status("Starting …"):
                stack.start_all()
                if provider:
                    stack.start_provider()
            if provider:
                _explain_provider(console, stack, settings)
            _explain(console, stack, settings)
            _watch(console, stack)
        except KeyboardInterrupt:
            console.print("\nStopping.")


def _settings() -> Mapping[str, str]:
    own = {name: value for name, value in os.environ.items() if name.startswith(PREFIX) and name not in _EMBEDDED}
    if not _AUTHENTICATION & own.keys():
        own["STEMVAULT_ALLOW_UNSIGNED"] = "true"
    return own


def _provider_settings(port: int) -> Mapping[str, str]:
    """Give the settings for a fake provider on a free port, whose files are on loopback."""
    return {
        "STEMVAULT_PROVIDER_BASE_URL": f"http://127.0.0.1:{free_port()}",
        "STEMVAULT_PROVIDER_API_KEY": Options.key,
        "STEMVAULT_PUBLIC_URL": f"http://127.0.0.1:{port}",
        "STEMVAULT_ALLOW_PRIVATE_ADDRESSES": "true",
        "STEMVAULT_ALLOWED_ASSET_PORTS": "*",
    }


def _check_port(port: int) -> None:
    with closing(socket()) as probe:
        if probe.connect_ex(("127.0.0.1", port)) == 0:
            raise StartError(f"Port {port} is in use. Choose another one, for example: stemvault up --port {port + 1}")


def _explain(console: Console, stack: Stack, settings: Mapping[str, str]) -> None:
    open_to_all = settings.get("STEMVAULT_ALLOW_UNSIGNED") == "true"
    note = " (not authenticated: this machine only)" if open_to_all else ""
    keys = "AWS_ACCESS_KEY_ID=embedded AWS_SECRET_ACCESS_KEY=embedded AWS_DEFAULT_REGION=us-east-1"
    same = {"STEMVAULT_REDIS_URL": stack.redis_url, "STEMVAULT_S3_BUCKET": BUCKET, **settings}
    ledger = " ".join(f"{name}={shlex.quote(value)}" for name, value in same.items() if _may_show(name, value))
    url = _callback_url(stack, settings)
    trial = f"curl -H 'Content-Type: application/json' {url} --data '{_TRIAL}'"
    if settings.get("STEMVAULT_WEBHOOK_HMAC_KEYS"):
        trial = "(only your provider can send callbacks: they must be signed with your key)"
    advice = (
        ""
        if settings.get("STEMVAULT_ALLOW_PRIVATE_ADDRESSES") == "true"
        else "To fetch files from private addresses or unusual ports, set\n"
        "STEMVAULT_ALLOW_PRIVATE_ADDRESSES=true STEMVAULT_ALLOWED_ASSET_PORTS='*'. "
    )
    console.print(
        f"""Stemvault is up. Callbacks go to [bold]{url}[/bold]{note}

  try     {trial}
  health  {stack.url}/readyz   {stack.url}/metrics
  bucket  {keys} aws --endpoint-url {stack.s3_url} s3 ls --recursive s3://{BUCKET}
  status  {ledger} {keys} AWS_ENDPOINT_URL_S3={stack.s3_url} {shlex.quote(sys.argv[0])} status
  logs    {stack.group.directory}

The bucket is in memory and is gone when this command ends. {advice}Press Ctrl-C to end everything.""",
        soft_wrap=True,
        highlight=False,
    )


def _may_show(name: str, value: str) -> bool:
    """Tell whether a setting is no secret, or one that everybody knows: the fake provider's key."""
    return name not in _NOT_SHOWN or value == Options.key


def _callback_url(stack: Stack, settings: Mapping[str, str]) -> str:
    token = settings.get("STEMVAULT_CALLBACK_TOKEN", "")
    return f"{stack.url}/callbacks" + (f"/{token}" if token else "")


def _explain_provider(console: Console, stack: Stack, settings: Mapping[str, str]) -> None:
    url, key = settings["STEMVAULT_PROVIDER_BASE_URL"], settings["STEMVAULT_PROVIDER_API_KEY"]
    request = {"prompt": "a quay at dusk"}
    body = json.dumps({**request, "callBackUrl": _callback_url(stack, settings)})
    headers = f"-H 'Authorization: Bearer {key}' -H 'Content-Type: application/json'"
    console.print(
        f"""The fake provider is at [bold]{url}[/bold], its API key is {key}

  submit  curl {headers} {url}/api/v1/generate --data {shlex.quote(body)}
  poll    the same with --data {shlex.quote(json.dumps(request))}; then, with the settings of the line "status" below:
          stemvault watch TASK --family music, or stemvault backfill FILE
""",
        soft_wrap=True,
        highlight=False,
    )


def _watch(console: Console, stack: Stack) -> None:
    """Restart each process that ends unexpectedly. If the S3 server ends, stop: its objects are lost."""
    while True:
        bucket = stack.process("s3")
        if bucket.popen.poll() is not None:
            raise StartError(
                "The S3 server ended unexpectedly, so its objects are lost. Start 'stemvault up' again. The end of the "
                f"server's log:\n{bucket.tail()}"
            )
        for name in stack.restart_ended():
            console.print(
                f"{name} ended unexpectedly and was restarted; for the reason see {stack.group.directory}/{name}.log"
            )
        time.sleep(0.5)
