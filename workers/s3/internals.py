"""Uses of botocore that go beyond its public interface: private attributes, and a handler that it registers.

Checked with botocore 1.44.5 and urllib3 2.8.0. ``tests/unit/s3/test_internals.py`` fails if a later version changes
one of them.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from botocore.credentials import Credentials
from botocore.handlers import add_expect_header
from urllib3.connectionpool import HTTPConnectionPool

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client


def use_pools(client: "S3Client", pools: Mapping[str, type[HTTPConnectionPool]]) -> None:
    """Make a client take its connections from these pools, given by URL scheme, through a proxy or not.

    Botocore has no option for that. All its pool managers, those for proxies too, share the mapping changed here.
    """
    session = client._endpoint.http_session  # type: ignore[attr-defined]  # noqa: SLF001
    session._pool_classes_by_scheme.update(pools)  # noqa: SLF001


def disable_expect(client: "S3Client") -> None:
    """Turn off ``Expect: 100-continue``: it costs a round trip, and a second if the store does not answer to it."""
    client.meta.events.unregister("before-call.s3", add_expect_header)


def credentials_of(client: "S3Client") -> Credentials:
    """Return the credentials that a client signs with. They renew themselves: get a frozen copy for each request."""
    credentials: Credentials = client._request_signer._credentials  # type: ignore[attr-defined]  # noqa: SLF001
    return credentials
