"""Logs are JSON lines on standard error, one event a line, for our own events and for those of the libraries."""

import io
import logging
import os
import re
import sys
import threading
from contextvars import ContextVar
from types import TracebackType
from typing import Literal

import structlog

Level = Literal["debug", "info", "warning", "error"]

#: File descriptors.
_STANDARD_OUTPUT, _STANDARD_ERROR = 1, 2

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

#: Loggers that tell of each message, task and process; our own events say enough. Below warning, only debug shows them.
_DETAILED = ("celery.worker.strategy", "celery.app.trace", "celery.beat", "multiprocessing")


class _StandardError:
    """Writes each line to standard error with one system call, without a buffer.

    So a line of another process, or of a signal handler, comes before it or after it and not inside it. On a pipe the
    kernel guarantees that for 4,096 bytes (PIPE_BUF); a longer line can be mixed with others while the pipe is full.
    ``tests/unit/config/test_logging.py`` shows the former, and lines of any length in a file.
    """

    def write(self, text: str) -> None:
        rest = text.encode()
        while rest:
            rest = rest[os.write(_STANDARD_ERROR, rest) :]

    def flush(self) -> None:
        """Do nothing: there is no buffer."""

    def line(self, text: str) -> None:
        self.write(text + "\n")

    # structlog calls the method that is named as the event's level.
    debug = info = warning = error = critical = line


class _Printed(io.TextIOBase):
    """Replaces ``sys.stdout`` or ``sys.stderr``: each line that is printed becomes an event."""

    def __init__(self, descriptor: int, logger: logging.Logger, level: int) -> None:
        self._descriptor = descriptor
        self._logger = logger
        self._level = level
        self._unfinished = ""
        self._thread = threading.local()

    def write(self, text: str) -> int:
        # An event that cannot be written makes `logging` print the reason, which comes here again.
        if not getattr(self._thread, "busy", False):
            self._thread.busy = True
            try:
                *lines, self._unfinished = (self._unfinished + text).split("\n")
                for line in filter(str.strip, lines):
                    self._logger.log(self._level, line)
            finally:
                self._thread.busy = False
        return len(text)

    def fileno(self) -> int:
        return self._descriptor

    def isatty(self) -> bool:
        return os.isatty(self._descriptor)


def configure_logging(level: Level = "info") -> None:
    """Send our events and the standard library's records to standard error as JSON lines."""
    number = logging.getLevelNamesMapping()[level.upper()]
    output = _StandardError()
    structlog.configure(
        processors=[*_SHARED, structlog.processors.JSONRenderer()],
        # Not by way of the standard library's loggers, which would double what an event costs.
        logger_factory=lambda *_: output,
        wrapper_class=structlog.make_filtering_bound_logger(number),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(output)
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
    root.setLevel(number)
    # For loggers that have no handler and do not propagate, such as billiard's.
    logging.lastResort = handler
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.ERROR)
    for name in _DETAILED:
        logging.getLogger(name).setLevel(logging.NOTSET if level == "debug" else logging.WARNING)


def log_all_output(level: Level) -> None:
    """Configure logging for a whole process: warnings, uncaught exceptions and what is printed are events too."""
    configure_logging(level)
    logging.captureWarnings(capture=True)
    sys.excepthook = _log_uncaught
    threading.excepthook = lambda args: _log_uncaught(args.exc_type, args.exc_value, args.exc_traceback)
    sys.unraisablehook = lambda args: _log_uncaught(args.exc_type, args.exc_value, args.exc_traceback)
    sys.stdout = _Printed(_STANDARD_OUTPUT, logging.getLogger("stdout"), logging.INFO)
    sys.stderr = _Printed(_STANDARD_ERROR, logging.getLogger("stderr"), logging.ERROR)


def _log_uncaught(kind: type[BaseException], error: BaseException | None, traceback: TracebackType | None) -> None:
    logging.getLogger("uncaught").critical("uncaught_exception", exc_info=(kind, error or kind(), traceback))
