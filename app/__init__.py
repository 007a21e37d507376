"""The ingress: it acknowledges callbacks and enqueues them. Start it with ``gunicorn 'app:create_app()'``."""

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
