"""Logs are JSON lines on standard error, one event a line, for us and for the libraries alike."""

import logging
import os
import re
import sys
from contextvars import ContextVar

import structlog

#: A URL's query, which can be a key to the file, and what follows /callbacks/, which is the key to us.
_SECRET = re.compile(r"(?:(?<=\?)|(?<=/callbacks/))[^\s\"'<>\\]+")


def _hide_secrets(_logger: object, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Cut secrets out of any URL or path in any text. Our own events hold none anyway."""
    return {
        name: _SECRET.sub("…", value) if isinstance(value, str) and "/" in value else value
        for name, value in event.items()
    }


#: Id and sender of the request that is served in this context; a connection's next request sets its own.
request_of: ContextVar[tuple[str, str] | None] = ContextVar("request_of", default=None)


def _tell_process(_logger: object, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    event["pid"] = os.getpid()
    if served := request_of.get():
        event["request"], event["remote"] = served
    return event


_SHARED: list[structlog.typing.Processor] = [
    structlog.contextvars.merge_contextvars,
    structlog.processors.add_log_level,
    _tell_process,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.format_exc_info,
    _hide_secrets,
]

#: Libraries whose lower levels print whole URLs or request headers, secrets in their queries included.
_TALKATIVE = ("urllib3", "requests_hardened", "botocore", "boto3", "kombu", "amqp")


def configure_logging(level: int = logging.INFO) -> None:
    """Send our events and the standard library's records to standard error as JSON lines."""
    structlog.configure(
        processors=[*_SHARED, structlog.processors.JSONRenderer()],
        # Not by way of the standard library's loggers, which would double what an event costs.
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        wrapper_class=structlog.make_filtering_bound_logger(level),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *_SHARED],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.ERROR)
