"""How the text of an environment variable becomes a value: durations, lists, ports, names of log levels.

Each reader takes the text, or a value that was read already (a default), and raises ``ValueError`` with what to write
instead.
"""

import re
from typing import Annotated

from pydantic import BeforeValidator, Field, SecretStr
from pydantic_settings import NoDecode

from config.logging import Level

_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(?:(s|m|h|d)|(second|minute|hour|day)s?)?", re.IGNORECASE)
_LAST_PORT = 65535
_MAX_RATE = 1000


def _seconds(value: object) -> object:
    if not isinstance(value, str):
        return value
    match = _DURATION.fullmatch(value.strip())
    if not match:
        raise ValueError("write a number of seconds, or a number with s, m, h or d, for example 15d")
    number, short, long = match.groups()
    return float(number) * _UNITS[(short or long or "")[:1].lower()]


def _rate(value: object) -> object:
    try:
        rate = float(str(value))
    except ValueError:
        rate = 0.0
    if not 0 < rate <= _MAX_RATE:
        raise ValueError(f"write a number of requests a second, more than 0 and at most {_MAX_RATE}")
    return rate


def _lower_case(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


def _comma_separated(value: object) -> object:
    return [item for part in value.split(",") if (item := part.strip())] if isinstance(value, str) else value


def _ports(value: object) -> object:
    if value == "*":
        return None
    ports = _comma_separated(value)
    if isinstance(ports, list) and not all(map(_is_port, ports)):
        raise ValueError(f"write port numbers from 1 to {_LAST_PORT}, separated by commas, or * to allow every port")
    return ports


def _is_port(text: str) -> bool:
    return text.isascii() and text.isdigit() and 1 <= int(text) <= _LAST_PORT


Seconds = Annotated[float, BeforeValidator(_seconds), Field(gt=0)]
"""A duration: ``90``, ``90s``, ``15m``, ``24h`` or ``15d``."""
Rate = Annotated[float, BeforeValidator(_rate)]
"""Requests a second."""
Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_comma_separated)]
Secrets = Annotated[tuple[SecretStr, ...], NoDecode, BeforeValidator(_comma_separated)]
LogLevel = Annotated[Level, BeforeValidator(_lower_case)]
Ports = Annotated[tuple[int, ...] | None, NoDecode, BeforeValidator(_ports)]
"""TCP ports; None, written as ``*``, allows every port."""
