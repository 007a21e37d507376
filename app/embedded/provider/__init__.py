"""A fake provider: an HTTP server that takes, polls and delivers tasks as the real one is documented to do.

For tests, ``demo`` and ``up --provider``. The door is ``fake_provider``; ``python -m app.embedded.provider`` runs it as
a process. ``shapes`` has the families with their answers and callbacks, ``tasks`` their way through the stages,
``delivery`` sends callbacks, ``files`` has the results' URLs, ``admission`` refuses requests and keeps the log.
"""

from app.embedded.provider.admission import Mood, Request
from app.embedded.provider.options import Options
from app.embedded.provider.provider import Provider
from app.embedded.provider.server import fake_provider

__all__ = ["Mood", "Options", "Provider", "Request", "fake_provider"]
