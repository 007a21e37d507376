"""What people and the provider talk to: the ingress, the console, the command and the embedded parts.

- ``ingress``: acknowledges callbacks and enqueues them. Its door is here: ``gunicorn 'app:create_app()'``.
- ``console``: registers and submits tasks. Its door is ``app.console.create_app``.
- ``cli``: the ``stemvault`` command. ``operate``: what the command and the console share.
- ``embedded``: Redis, S3, a provider and our own processes for trials and tests.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app.ingress.application import create_app

__all__ = ["create_app"]


def __getattr__(name: str) -> object:
    """Import the ingress at the first use of ``create_app``: ``app.cli.main`` must start without it."""
    if name != "create_app":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from app.ingress.application import create_app  # noqa: PLC0415 - see above

    return create_app
