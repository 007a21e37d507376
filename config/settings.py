"""Every setting of Stemvault, read from the environment in one place. All faults are reported at once.

AWS credentials, region and endpoint are not here: boto3 reads them from its own variables and files.
"""

import sys
from collections.abc import Callable
from functools import cached_property
from typing import Annotated

from pydantic import BeforeValidator, ByteSize, Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict
from redis.connection import parse_url

from config.addresses import host_of
from config.layout import DEFAULT_TEMPLATE, KeyLayout
from config.values.checks import (
    BucketName,
    HeaderToken,
    HostPatterns,
    PathToken,
    ProviderUrl,
    PublicUrl,
    RedisUrl,
    fits_in_a_header,
)
from config.values.faults import faults_of
from config.values.kinds import LogLevel, Ports, Rate, Seconds, Secrets
from config.values.upload_args import UploadArgs, read_upload_args

PREFIX = "STEMVAULT_"
#: The exit status with which gunicorn's arbiter gives up instead of starting the worker again.
EXIT_MISCONFIGURED = 4

MIN_PART_BYTES = 5 * 1024**2
"""S3 refuses smaller parts, except for the last one: https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html"""
MAX_PARTS = 10_000

_NO_AUTHENTICATION = (
    "callbacks are not authenticated. Set one of these three: "
    "STEMVAULT_WEBHOOK_HMAC_KEYS (the provider signs its callbacks with a key), "
    "STEMVAULT_CALLBACK_TOKEN (a secret at the end of the callback URL), or "
    "STEMVAULT_ALLOW_UNSIGNED=true (anyone who knows the URL may send callbacks; for trials only)"
)


class SettingsError(Exception):
    """The settings have faults, so Stemvault cannot start. ``faults`` has a line for each fault."""

    def __init__(self, faults: list[str]) -> None:
        self.faults = faults
        noun = "setting is" if len(faults) == 1 else "settings are"
        super().__init__("\n  ".join([f"Stemvault cannot start: {len(faults)} {noun} missing or wrong.", *faults]))


class Settings(BaseSettings):
    """The settings, one environment variable each, named ``STEMVAULT_`` and the field in capitals.

    Durations are seconds; sizes are bytes (``8MiB`` is read too). ``repr`` does not show secrets.
    A field's type checks its form (``config.values``). A field that is checked against another one stands below it,
    because pydantic validates in this order. All checks are on fields: pydantic runs each of them even if others fail,
    but skips a check on the whole model then.
    """

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        frozen=True,
        extra="forbid",
        hide_input_in_errors=True,
        env_ignore_empty=True,
        validate_default=True,
    )

    redis_url: Annotated[RedisUrl, Field(examples=["redis://127.0.0.1:6379/0"])]
    redis_max_bytes: Annotated[ByteSize, Field(gt=0)] | None = None
    s3_bucket: Annotated[BucketName, Field(examples=["my-bucket"])]
    s3_prefix: str = ""
    key_template: str = DEFAULT_TEMPLATE
    s3_upload_args: Annotated[UploadArgs, NoDecode, BeforeValidator(read_upload_args)] = {}

    webhook_hmac_keys: Secrets = ()
    signature_tolerance: Seconds = 300
    callback_token: PathToken | None = None
    allow_unsigned: bool = False
    public_url: PublicUrl = ""
    max_callback_bytes: Annotated[ByteSize, Field(gt=0)] = ByteSize(1024**2)

    allowed_asset_hosts: HostPatterns = ()
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

    provider_base_url: ProviderUrl = ""
    provider_api_key: SecretStr | None = None
    provider_rate: Rate = 5.0
    poll_interval: Annotated[Seconds, Field(ge=1)] = 30
    poll_give_up: Seconds = 86400
    admin_token: HeaderToken | None = None

    log_level: LogLevel = "info"

    @field_validator("key_template")
    @classmethod
    def _keys_cannot_collide(cls, value: str, info: ValidationInfo) -> str:
        KeyLayout(value, info.data.get("s3_prefix", ""))
        return value

    @field_validator("max_asset_bytes")
    @classmethod
    def _parts_suffice(cls, value: ByteSize, info: ValidationInfo) -> ByteSize:
        if value > MAX_PARTS * info.data.get("part_bytes", value):
            raise ValueError(f"S3 allows {MAX_PARTS} parts an object: lower this setting, or raise {PREFIX}PART_BYTES")
        return value

    @field_validator("transfer_memory")
    @classmethod
    def _memory_suffices(cls, value: ByteSize, info: ValidationInfo) -> ByteSize:
        if value < 2 * info.data.get("part_bytes", 0):
            raise ValueError(f"must be at least twice {PREFIX}PART_BYTES ({info.data['part_bytes']} bytes)")
        return value

    @field_validator("allow_unsigned")
    @classmethod
    def _authentication_is_chosen(cls, value: bool, info: ValidationInfo) -> bool:
        chosen = info.data.get("webhook_hmac_keys", True) or info.data.get("callback_token", True)
        if not (chosen or value):
            raise ValueError(_NO_AUTHENTICATION)
        return value

    @field_validator("provider_api_key")
    @classmethod
    def _key_has_an_address(cls, value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        key = value.get_secret_value() if value else ""
        if key and not fits_in_a_header(key):
            raise ValueError("must consist of printable ASCII characters without spaces, as it is sent in a header")
        if key and info.data.get("provider_base_url") == "":
            raise ValueError(f"the provider's address is missing: set {PREFIX}PROVIDER_BASE_URL too")
        return value

    @property
    def asks_the_provider(self) -> bool:
        """Whether the provider can be asked about tasks: its address and a key are set."""
        return bool(self.provider_base_url and self.provider_api_key)

    @property
    def missing_for_provider(self) -> list[str]:
        """The variables that are not set and without which the provider cannot be asked."""
        variables = {"PROVIDER_BASE_URL": self.provider_base_url, "PROVIDER_API_KEY": self.provider_api_key}
        return [PREFIX + name for name, value in variables.items() if not value]

    @cached_property
    def transfers_per_host(self) -> int:
        """How many of a worker's transfers may read from one source host: by default seven eighths of them."""
        limit = self.max_transfers_per_host or self.transfers - self.transfers // 8
        return min(limit, self.transfers)

    @cached_property
    def layout(self) -> KeyLayout:
        """The keys of objects in the bucket."""
        return KeyLayout(self.key_template, self.s3_prefix)

    @cached_property
    def redis_address(self) -> str:
        """Host and port of Redis, without user and password."""
        parts = parse_url(self.redis_url.get_secret_value())  # type: ignore[no-untyped-call]  # redis-py lacks its types
        return f"{parts.get('host', 'localhost')}:{parts.get('port', 6379)}"

    @cached_property
    def own_hosts(self) -> frozenset[str]:
        """Host and port of the ingress, if they are known: a URL there is never a file to archive."""
        host = host_of(self.public_url)
        return frozenset({host} if host else ())


def load_settings(read: Callable[[], Settings] = Settings) -> Settings:
    """Read the settings from the environment.

    Raises ``SettingsError`` with every fault. Its text contains no secret
    (``test_no_secret_shows_in_repr_or_in_a_fault``).
    """
    try:
        return read()
    except ValidationError as error:
        raise SettingsError(faults_of(error, Settings, PREFIX)) from None


def load_settings_or_exit() -> Settings:
    """Read the settings for a process that is starting; if there are faults, print all of them and exit."""
    try:
        return load_settings()
    except SettingsError as error:
        print(error, file=sys.stderr)  # noqa: T201 - the process ends here, before there is a log
        sys.exit(EXIT_MISCONFIGURED)
