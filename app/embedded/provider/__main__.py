"""A fake provider as a process of its own: ``python -m app.embedded.provider --port 8090``.

It prints its URL when it serves, and ends on SIGTERM or SIGINT. ``STEMVAULT_PROVIDER_API_KEY`` is the key that it
accepts, by default ``fake-provider-key``. It signs callbacks with the first of ``STEMVAULT_WEBHOOK_HMAC_KEYS``, if any.
"""

import argparse
import os
import signal
import threading

from app.embedded.provider.options import Options
from app.embedded.provider.server import fake_provider


def main() -> None:
    """Read the command line and serve."""
    parser = argparse.ArgumentParser(prog="python -m app.embedded.provider", description="A fake provider on loopback.")
    parser.add_argument("--port", type=int, default=0, help="port on 127.0.0.1; by default a free one")
    parser.add_argument("--origin", default="", help="base URL of the results' files; by default its own")
    parser.add_argument("--kind", choices=["K", "S"], default="K", help="the kind of host")
    parser.add_argument("--stage-seconds", type=float, default=1.0, help="how long a task stays in each stage")
    parser.add_argument("--file-seconds", type=float, default=float("inf"), help="lifetime of a file's URL")
    parser.add_argument("--rate-limit", type=int, help="requests per second to the whole server")
    parser.add_argument("--no-deliver", action="store_false", dest="deliver", help="send no callbacks")
    given = vars(parser.parse_args())
    key = os.environ.get("STEMVAULT_PROVIDER_API_KEY", Options.key)
    signing_key = os.environ.get("STEMVAULT_WEBHOOK_HMAC_KEYS", "").partition(",")[0].strip()
    over = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: over.set())
    with fake_provider(Options(key=key, signing_key=signing_key, **given)) as provider:
        print(provider.url, flush=True)  # noqa: T201 - the starting process reads its URL there
        over.wait()


if __name__ == "__main__":
    main()
