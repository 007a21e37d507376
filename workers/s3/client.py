"""Clients for S3, and the connections that bodies take past them."""

from functools import cache
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from urllib.request import getproxies

import boto3
import botocore.session
import certifi
import urllib3
from botocore.config import Config
from botocore.handlers import add_expect_header
from botocore.loaders import Loader, create_loader

from workers.connections.pools import STORE_POOLS

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

#: Seconds; the latter for each piece of a body, too.
CONNECT_TIMEOUT, READ_TIMEOUT = 5.0, 40.0
#: Domains of AWS's own endpoints, by partition.
#: https://docs.aws.amazon.com/whitepapers/latest/aws-fault-isolation-boundaries/partitions.html
_AWS_DOMAINS = (".amazonaws.com", ".amazonaws.com.cn", ".amazonaws.eu")


def open_pool(at_once: int = 1) -> urllib3.PoolManager | None:
    """Make connections for ``DirectWrites``, for so many threads at once, that trust whom boto3 trusts.

    Behind a proxy, which boto3 knows, give None.
    """
    if getproxies().keys() & {"http", "https", "all"}:
        return None
    authority = botocore.session.get_session().get_config_variable("ca_bundle") or certifi.where()
    timeout = urllib3.Timeout(connect=CONNECT_TIMEOUT, read=READ_TIMEOUT)
    pool = urllib3.PoolManager(ca_certs=authority, timeout=timeout, maxsize=at_once)
    pool.pool_classes_by_scheme = STORE_POOLS
    return pool


@cache
def s3_models() -> Loader:
    """Read botocore's description of S3, a dozen MiB that nobody changes. Read before a fork, processes share it."""
    loader = create_loader(botocore.session.get_session().get_config_variable("data_path"))
    for kind in ("service-2", "endpoint-rule-set-1"):
        loader.load_service_model("s3", kind)
    for name in ("endpoints", "partitions", "sdk-default-configuration"):
        loader.load_data(name)
    return loader


def open_client(
    *,
    connect_timeout: float = CONNECT_TIMEOUT,
    read_timeout: float = READ_TIMEOUT,
    attempts: int = 3,
    at_once: int = 10,
) -> "S3Client":
    """Make an S3 client for so many threads at once; time-outs in seconds. What it has used, a fork must not take over.

    Payloads are not signed by SHA-256: their checksum stands in a signed header, and TLS protects
    them under way.
    """
    config = Config(
        connect_timeout=connect_timeout,
        read_timeout=read_timeout,
        retries={"mode": "standard", "total_max_attempts": attempts},
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        s3={"payload_signing_enabled": False},
        signature_version="s3v4",
        tcp_keepalive=True,
        max_pool_connections=at_once,
    )
    session = botocore.session.get_session()
    session.register_component("data_loader", s3_models())
    client = boto3.session.Session(botocore_session=session).client("s3", config=config)
    # `Expect: 100-continue` before each body costs a round trip, and a second where S3 is silent.
    client.meta.events.unregister("before-call.s3", add_expect_header)
    # There is no public way to the connections of a client, which must end with the attempt that uses them.
    client._endpoint.http_session._pool_classes_by_scheme.update(STORE_POOLS)  # type: ignore[attr-defined]  # noqa: SLF001
    return client


def is_aws(client: "S3Client") -> bool:
    """Tell whether the client talks to AWS itself, whose behaviour is documented and need not be tried."""
    return (urlsplit(client.meta.endpoint_url).hostname or "").endswith(_AWS_DOMAINS)
