"""Logs are JSON lines on standard error, one event a line, for Stemvault's own events and for those of libraries."""

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

#: A URL's query, which can contain the signature of a file's URL, and the text behind /callbacks/, the callback token.
_SECRET = re.compile(r"(?:(?<=\?)|(?<=/callbacks/))[^\s\"'<>\\]+")


def _hide_secrets(_logger: object, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Remove secrets from every URL and path in every text. Our own events contain none; those of libraries can."""
    return {
        name: _SECRET.sub("…", value) if isinstance(value, str) and "/" in value else value
        for name, value in event.items()
    }


#: Id and sender of the HTTP request that this context serves. The next request of the connection replaces them.
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

#: Libraries that print whole URLs or request headers at lower levels, with the secrets in them.
_TALKATIVE = ("urllib3", "requests_hardened", "botocore", "boto3", "kombu", "amqp")

#: Loggers with a line for each message, task or process. Only the level debug shows their lines below warning.
_DETAILED = ("celery.worker.strategy", "celery.app.trace", "celery.beat", "multiprocessing")


class _StandardError:
    """Writes each line to standard error with one system call, without a buffer.

    So lines of several processes, or of a signal handler, do not mix. On a pipe the kernel guarantees that for lines of
    up to 4,096 bytes (PIPE_BUF, ``test_lines_of_several_processes_that_share_a_pipe_are_not_mixed``); longer lines can
    mix while the pipe is full. In a file lines of any length stay whole
    (``test_lines_of_any_length_of_several_processes_that_share_a_file_are_not_mixed``).
    """

    def write(self, text: str) -> None:
        rest = text.encode()
        while rest:
            rest = rest[os.write(_STANDARD_ERROR, rest) :]

    def flush(self) -> None:
        """Do nothing: there is no buffer."""

    def line(self, text: str) -> None:
        self.write(text + "\n")

    # structlog calls the method with the name of the event's level.
    debug = info = warning = error = critical = line


class _Printed(io.TextIOBase):
    """Replaces ``sys.stdout`` or ``sys.stderr``: each printed line becomes an event."""

    def __init__(self, descriptor: int, logger: logging.Logger, level: int) -> None:
        self._descriptor = descriptor
        self._logger = logger
        self._level = level
        self._unfinished = ""
        self._thread = threading.local()

    def write(self, text: str) -> int:
        # If an event cannot be written, `logging` prints the reason to this very object: break the recursion.
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
        # Write directly: the standard library's loggers would double the cost of an event.
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
    # Used by loggers that have no handler and do not propagate, such as billiard's.
    logging.lastResort = handler
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.ERROR)
    for name in _DETAILED:
        logging.getLogger(name).setLevel(logging.NOTSET if level == "debug" else logging.WARNING)


def log_all_output(level: Level) -> None:
    """Configure logging for a whole process: warnings, uncaught exceptions and printed lines become events too."""
    configure_logging(level)
    logging.captureWarnings(capture=True)
    sys.excepthook = _log_uncaught
    threading.excepthook = lambda args: _log_uncaught(args.exc_type, args.exc_value, args.exc_traceback)
    sys.unraisablehook = lambda args: _log_uncaught(args.exc_type, args.exc_value, args.exc_traceback)
    sys.stdout = _Printed(_STANDARD_OUTPUT, logging.getLogger("stdout"), logging.INFO)
    sys.stderr = _Printed(_STANDARD_ERROR, logging.getLogger("stderr"), logging.ERROR)


def _log_uncaught(kind: type[BaseException], error: BaseException | None, traceback: TracebackType | None) -> None:
    logging.getLogger("uncaught").critical("uncaught_exception", exc_info=(kind, error or kind(), traceback))
