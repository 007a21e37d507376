"""The types of settings whose text must have a form: addresses, the bucket's name, hosts and tokens.

Each check takes the value that pydantic has read, and raises ``ValueError`` with what to write instead.
"""

import re
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr
from redis.connection import parse_url

from config.addresses import host_of
from config.values.kinds import Names

#: The least length of the console's token.
MIN_TOKEN = 16

_HOST_PATTERN = re.compile(r"[A-Za-z0-9.*?\[\]_-]+")


def fits_in_a_header(text: str) -> bool:
    """Tell whether ``text`` is printable ASCII without spaces."""
    return text.isascii() and text.isprintable() and " " not in text


def _redis_url(value: SecretStr) -> SecretStr:
    if not value.get_secret_value().startswith(("redis://", "rediss://")):
        raise ValueError("must begin with redis://, or with rediss:// for TLS")
    try:
        parse_url(value.get_secret_value())  # type: ignore[no-untyped-call]  # redis-py lacks its types
    except ValueError:  # its text can contain characters of the password
        raise ValueError(
            "is not a valid URL: write redis://user:password@host:port/database, and percent-encode every "
            "character of user and password that is not a letter or digit"
        ) from None
    return value


def _bucket_name(value: str) -> str:
    if "/" in value or ":" in value:
        raise ValueError(
            "write only the bucket's name, without s3:// and without a path. A path belongs in "
            "STEMVAULT_S3_PREFIX; for an access point write its alias"
        )
    return value


def _path_token(value: SecretStr) -> SecretStr:
    token = value.get_secret_value()
    if set(token) & set("/?#%") or any(letter.isspace() for letter in token):
        raise ValueError("must not contain / ? # % or spaces, because it is the last step of the callback URL")
    return value


def _header_token(value: SecretStr) -> SecretStr:
    token = value.get_secret_value()
    if token and (len(token) < MIN_TOKEN or not fits_in_a_header(token)):
        raise ValueError(f"must be at least {MIN_TOKEN} printable ASCII characters without spaces")
    return value


def _host_patterns(value: tuple[str, ...]) -> tuple[str, ...]:
    if wrong := [host for host in value if not _HOST_PATTERN.fullmatch(host)]:
        raise ValueError(
            f"{wrong[0]!r} is not a host: write names, or patterns such as *.example.com, without scheme, port or path"
        )
    return value


def _public_url(value: str) -> str:
    if value and (not value.startswith(("http://", "https://")) or not host_of(value) or "@" in value):
        raise ValueError("write the address at which the provider reaches the ingress, such as https://your.host")
    return value


def _provider_url(value: str) -> str:
    parts = urlsplit(value)
    is_address = host_of(value) and parts.scheme in {"http", "https"} and not any(map(str.isspace, value))
    if value and (not is_address or parts.query or parts.fragment or "@" in parts.netloc):
        raise ValueError("write the address of the provider's API without its path, such as https://api.example.com")
    return value.rstrip("/").removesuffix("/api/v1")


RedisUrl = Annotated[SecretStr, AfterValidator(_redis_url)]
BucketName = Annotated[str, Field(min_length=3, max_length=63), AfterValidator(_bucket_name)]
PathToken = Annotated[SecretStr, AfterValidator(_path_token)]
"""A token that can be the last step of a URL's path."""
HeaderToken = Annotated[SecretStr, AfterValidator(_header_token)]
"""A token of at least ``MIN_TOKEN`` characters that can be sent in a header."""
HostPatterns = Annotated[Names, AfterValidator(_host_patterns)]
"""Host names, or patterns of them such as ``*.example.com``, separated by commas."""
PublicUrl = Annotated[str, AfterValidator(_public_url)]
"""The address of the ingress, or an empty text."""
ProviderUrl = Annotated[str, AfterValidator(_provider_url)]
"""The address of the provider's API without its path, or an empty text."""
