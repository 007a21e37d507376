"""Opens clients for S3, and the connections that ``DirectWrites`` uses in their place.

The ingress uses clients of botocore, because boto3 would import s3transfer. Workers use those of boto3 (``boto``).
"""

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, cast
from urllib.parse import urlsplit
from urllib.request import getproxies

import botocore.session
import certifi
import urllib3
from botocore.config import Config
from botocore.loaders import Loader, create_loader
from botocore.session import Session

from workers.connections.pools import STORE_POOLS
from workers.s3.internals import disable_expect, use_pools

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

#: Time limits in seconds. The second is for an answer, and for each piece of a body that is sent.
CONNECT_TIMEOUT, READ_TIMEOUT = 5.0, 40.0
#: Domains of AWS's own endpoints, by partition.
#: https://docs.aws.amazon.com/whitepapers/latest/aws-fault-isolation-boundaries/partitions.html
_AWS_DOMAINS = (".amazonaws.com", ".amazonaws.com.cn", ".amazonaws.eu")


def open_pool(at_once: int = 1) -> urllib3.PoolManager | None:
    """Make the connection pool for ``DirectWrites``, for ``at_once`` threads, with botocore's CA certificates.

    Returns None if a proxy is set: only botocore sends through it
    (``test_behind_a_proxy_boto3_sends_everything``).
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
    """Load botocore's S3 model, a dozen MiB. Loaded before a fork, its memory pages are shared by the processes."""
    loader = create_loader(botocore.session.get_session().get_config_variable("data_path"))
    for kind in ("service-2", "endpoint-rule-set-1"):
        loader.load_service_model("s3", kind)
    for name in ("endpoints", "partitions", "sdk-default-configuration"):
        loader.load_data(name)
    return loader


def create_with_botocore(session: Session, config: Config) -> "S3Client":
    """Create a client without boto3's additions."""
    return cast("S3Client", session.create_client("s3", config=config))


def open_client(
    *,
    connect_timeout: float = CONNECT_TIMEOUT,
    read_timeout: float = READ_TIMEOUT,
    attempts: int = 3,
    at_once: int = 10,
    create: Callable[[Session, Config], "S3Client"] = create_with_botocore,
) -> "S3Client":
    """Make an S3 client for ``at_once`` threads; time limits in seconds. Do not fork after its first request.

    A request is sent up to ``attempts`` times. Payloads are not signed by SHA-256: their checksum is in a signed
    header, and TLS protects them on the way.
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
    client = create(session, config)
    disable_expect(client)
    # Its connections must end with the attempt that uses them.
    use_pools(client, STORE_POOLS)
    return client


def is_aws(client: "S3Client") -> bool:
    """Tell whether the client's endpoint is AWS, whose guarantees are documented and need no examination."""
    return (urlsplit(client.meta.endpoint_url).hostname or "").endswith(_AWS_DOMAINS)
