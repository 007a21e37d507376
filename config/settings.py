"""Every setting of Stemvault, read from the environment in one place, all faults told at once.

AWS credentials, region and endpoint are not here: boto3 finds them its standard way.
"""

import re
import sys
from collections.abc import Callable
from functools import cached_property
from typing import Annotated, Any

from pydantic import BeforeValidator, ByteSize, Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict
from redis.connection import parse_url

from config.addresses import host_of
from config.layout import DEFAULT_TEMPLATE, KeyLayout
from config.logging import Level
from config.upload_args import UploadArgs, read_upload_args

PREFIX = "STEMVAULT_"
#: The exit status with which gunicorn's arbiter gives up instead of starting the worker again.
EXIT_MISCONFIGURED = 4

MIN_PART_BYTES = 5 * 1024**2
"""S3 refuses smaller parts but for the last: https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html"""
MAX_PARTS = 10_000

_HOST_PATTERN = re.compile(r"[A-Za-z0-9.*?\[\]_-]+")
_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(?:(s|m|h|d)|(second|minute|hour|day)s?)?", re.IGNORECASE)

_NO_AUTHENTICATION = (
    "nothing says who may send callbacks. There are three ways out: "
    "STEMVAULT_WEBHOOK_HMAC_KEYS (the provider signs its callbacks), "
    "STEMVAULT_CALLBACK_TOKEN (a secret at the end of the callback URL), or "
    "STEMVAULT_ALLOW_UNSIGNED=true (whoever finds the URL may send; for trials)"
)


class SettingsError(Exception):
    """The environment does not make a runnable configuration. ``faults`` has a line for each fault."""

    def __init__(self, faults: list[str]) -> None:
        self.faults = faults
        noun = "setting needs" if len(faults) == 1 else "settings need"
        super().__init__("\n  ".join([f"Stemvault cannot start: {len(faults)} {noun} attention.", *faults]))


def _seconds(value: object) -> object:
    if not isinstance(value, str):
        return value
    match = _DURATION.fullmatch(value.strip())
    if not match:
        raise ValueError("write a number of seconds, or a number with s, m, h or d, as in 15d")
    number, short, long = match.groups()
    return float(number) * _UNITS[(short or long or "")[:1].lower()]


def _lower_case(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


def _comma_separated(value: object) -> object:
    return [item for part in value.split(",") if (item := part.strip())] if isinstance(value, str) else value


def _ports(value: object) -> object:
    return None if value == "*" else _comma_separated(value)


Seconds = Annotated[float, BeforeValidator(_seconds), Field(gt=0)]
"""A duration: ``90``, ``90s``, ``15m``, ``24h`` or ``15d``."""
Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_comma_separated)]
Secrets = Annotated[tuple[SecretStr, ...], NoDecode, BeforeValidator(_comma_separated)]
LogLevel = Annotated[Level, BeforeValidator(_lower_case)]
Ports = Annotated[tuple[Annotated[int, Field(ge=1, le=65535)], ...] | None, NoDecode, BeforeValidator(_ports)]


class Settings(BaseSettings):
    """The settings, one environment variable each, named ``STEMVAULT_`` and the field in capitals.

    Durations are seconds; sizes are bytes (``8MiB`` is understood). Secrets do not show in ``repr``.
    A field that is checked against another stands below it: pydantic validates in this order, and
    checks on fields, unlike checks on the whole, are all made however many of them fail.
    """

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        frozen=True,
        extra="forbid",
        hide_input_in_errors=True,
        env_ignore_empty=True,
        validate_default=True,
    )

    redis_url: SecretStr
    redis_max_bytes: Annotated[ByteSize, Field(gt=0)] | None = None
    s3_bucket: Annotated[str, Field(min_length=3, max_length=63)]
    s3_prefix: str = ""
    key_template: str = DEFAULT_TEMPLATE
    s3_upload_args: Annotated[UploadArgs, NoDecode, BeforeValidator(read_upload_args)] = {}

    webhook_hmac_keys: Secrets = ()
    signature_tolerance: Seconds = 300
    callback_token: SecretStr | None = None
    allow_unsigned: bool = False
    public_url: str = ""
    max_callback_bytes: Annotated[ByteSize, Field(gt=0)] = ByteSize(1024**2)

    allowed_asset_hosts: Names = ()
    allow_private_addresses: bool = False
    allowed_asset_ports: Ports = (80, 443)
    part_bytes: Annotated[ByteSize, Field(ge=MIN_PART_BYTES)] = ByteSize(8 * 1024**2)
    max_asset_bytes: Annotated[ByteSize, Field(gt=0)] = ByteSize(2 * 1024**3)
    transfers: Annotated[int, Field(ge=1, le=1000)] = 64
    max_transfers_per_host: Annotated[int, Field(ge=1)] | None = None
    transfer_memory: ByteSize = ByteSize(256 * 1024**2)
    transfer_timeout: Seconds = 3600
    low_speed_limit: Annotated[ByteSize, Field(gt=0)] = ByteSize(1024)
    low_speed_time: Seconds = 60
    lease: Annotated[Seconds, Field(ge=2)] = 60
    shutdown_grace: Seconds = 20

    retention: Seconds = 15 * 86400
    stream_retention: Seconds = 3600
    urgent_window: Seconds = 86400
    ledger_retention: Seconds = 30 * 86400

    log_level: LogLevel = "info"

    @field_validator("redis_url")
    @classmethod
    def _is_a_redis_url(cls, value: SecretStr) -> SecretStr:
        if not value.get_secret_value().startswith(("redis://", "rediss://")):
            raise ValueError("must start with redis:// or rediss:// (TLS)")
        try:
            parse_url(value.get_secret_value())  # type: ignore[no-untyped-call]  # redis-py lacks its types
        except ValueError:  # its text may be a part of the password
            raise ValueError(
                "cannot be read: write redis://user:password@host:port/database, and percent-encode what is not "
                "a letter or digit in user and password"
            ) from None
        return value

    @field_validator("s3_bucket")
    @classmethod
    def _is_a_name(cls, value: str) -> str:
        if "/" in value or ":" in value:
            raise ValueError(
                "write the bucket's name alone, without s3:// or a path; STEMVAULT_S3_PREFIX is for a path, "
                "and an access point is named by its alias"
            )
        return value

    @field_validator("callback_token")
    @classmethod
    def _is_one_step_of_a_path(cls, value: SecretStr | None) -> SecretStr | None:
        token = value.get_secret_value() if value else ""
        if set(token) & set("/?#%") or any(letter.isspace() for letter in token):
            raise ValueError("must not hold / ? # % or spaces: it is the last step of the callback URL")
        return value

    @field_validator("allowed_asset_hosts")
    @classmethod
    def _are_hosts(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if wrong := [host for host in value if not _HOST_PATTERN.fullmatch(host)]:
            raise ValueError(
                f"{wrong[0]!r} is no host: write names or patterns such as *.example.com, without scheme, port or path"
            )
        return value

    @field_validator("public_url")
    @classmethod
    def _is_a_web_address(cls, value: str) -> str:
        if value and (not value.startswith(("http://", "https://")) or not host_of(value) or "@" in value):
            raise ValueError("write the address under which the provider reaches the ingress: https://your.host")
        return value

    @field_validator("key_template")
    @classmethod
    def _keys_cannot_collide(cls, value: str, info: ValidationInfo) -> str:
        KeyLayout(value, info.data.get("s3_prefix", ""))
        return value

    @field_validator("max_asset_bytes")
    @classmethod
    def _parts_suffice(cls, value: ByteSize, info: ValidationInfo) -> ByteSize:
        if value > MAX_PARTS * info.data.get("part_bytes", value):
            raise ValueError(f"needs more than the {MAX_PARTS} parts that S3 allows; raise {PREFIX}PART_BYTES with it")
        return value

    @field_validator("transfer_memory")
    @classmethod
    def _memory_suffices(cls, value: ByteSize, info: ValidationInfo) -> ByteSize:
        if value < 2 * info.data.get("part_bytes", 0):
            raise ValueError(f"must be at least twice {PREFIX}PART_BYTES, which is {info.data['part_bytes']} bytes")
        return value

    @field_validator("allow_unsigned")
    @classmethod
    def _authentication_is_chosen(cls, value: bool, info: ValidationInfo) -> bool:
        chosen = info.data.get("webhook_hmac_keys", True) or info.data.get("callback_token", True)
        if not (chosen or value):
            raise ValueError(_NO_AUTHENTICATION)
        return value

    @cached_property
    def transfers_per_host(self) -> int:
        """How many of a worker's transfers may be from one source host: unless it is set, all but an eighth."""
        limit = self.max_transfers_per_host or self.transfers - self.transfers // 8
        return min(limit, self.transfers)

    @cached_property
    def layout(self) -> KeyLayout:
        """Where objects stand in the bucket."""
        return KeyLayout(self.key_template, self.s3_prefix)

    @cached_property
    def redis_address(self) -> str:
        """Host and port of Redis, without anything secret."""
        parts = parse_url(self.redis_url.get_secret_value())  # type: ignore[no-untyped-call]  # redis-py lacks its types
        return f"{parts.get('host', 'localhost')}:{parts.get('port', 6379)}"

    @cached_property
    def own_hosts(self) -> frozenset[str]:
        """Host and port of the ingress, if they are known: no file of a callback is there."""
        host = host_of(self.public_url)
        return frozenset({host} if host else ())


def load_settings(read: Callable[[], Settings] = Settings) -> Settings:
    """Read the settings from the environment.

    Raises ``SettingsError`` naming every fault; a secret's value is never part of the message.
    """
    try:
        return read()
    except ValidationError as error:
        raise SettingsError(_faults(error)) from None


def load_settings_or_exit() -> Settings:
    """Read the settings for a process that is starting; on a fault print all of them and exit."""
    try:
        return load_settings()
    except SettingsError as error:
        print(error, file=sys.stderr)  # noqa: T201 - the process ends here, before there is a log
        sys.exit(EXIT_MISCONFIGURED)


def _faults(error: ValidationError) -> list[str]:
    return [_fault(dict(detail)) for detail in error.errors(include_url=False, include_input=False)]


def _fault(detail: dict[str, Any]) -> str:
    message = detail["msg"].removeprefix("Value error, ")
    if not detail["loc"]:
        return str(message)
    variable = PREFIX + str(detail["loc"][0]).upper()
    if detail["type"] == "bool_parsing":
        return f"{variable}: write true or false"
    if detail["type"] in {"byte_size", "byte_size_unit"}:
        return f"{variable}: write a number of bytes, or a number with KiB, MiB or GiB, as in 8MiB"
    if detail["type"] == "missing":
        return f"{variable} is not set."
    return f"{variable}: {message}"
