"""Requests to the bucket signed by a header, as boto3 signs its own, without what boto3 does before.

Where the bucket is (path or virtual host, region, port) is learned once from a URL that boto3 makes.
"""

import re
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import parse_qs, quote, urlencode, urlsplit

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

_CREDENTIAL = re.compile(r".*/[0-9]{8}/(?P<region>[^/]+)/(?P<service>[^/]+)/aws4_request")
_ANY_KEY = "any-key"


class _Place(NamedTuple):
    """Where a bucket's objects are, and for what a signature is made."""

    prefix: str
    region: str
    service: str


class OtherSignatureError(Exception):
    """boto3 does not sign by Signature Version 4 here, so only boto3 can sign."""


class HeaderSigner:
    """Signs by Signature Version 4 for one bucket; the payload is not part of the signature. Threads may share it."""

    def __init__(self, client: "S3Client", bucket: str) -> None:
        self._client = client
        self._bucket = bucket
        self._place: _Place | None = None
        self._learning = threading.Lock()

    def sign(
        self, method: str, key: str, query: Mapping[str, object], headers: Mapping[str, str]
    ) -> tuple[str, dict[str, str]]:
        """Give URL and headers of a request. Raises ``OtherSignatureError``, and boto3's errors."""
        place = self._place or self._learned()
        url = place.prefix + quote(key, safe="/~")
        request = AWSRequest(method, f"{url}?{urlencode(query, quote_via=quote)}" if query else url, headers)
        request.context["client_config"] = self._client.meta.config
        # There is no public way to the credentials that a client uses.
        credentials = self._client._request_signer._credentials  # type: ignore[attr-defined]  # noqa: SLF001
        S3SigV4Auth(credentials.get_frozen_credentials(), place.service, place.region).add_auth(request)
        return str(request.url), dict(request.headers)

    def _learned(self) -> _Place:
        with self._learning:
            if self._place is None:
                self._place = self._learn()
            return self._place

    def _learn(self) -> _Place:
        arguments: dict[str, Any] = {"Bucket": self._bucket, "Key": _ANY_KEY}
        url = urlsplit(self._client.generate_presigned_url("get_object", Params=arguments))
        query = parse_qs(url.query)
        signed_for = _CREDENTIAL.fullmatch(query.get("X-Amz-Credential", [""])[0])
        if not signed_for or query.get("X-Amz-Algorithm") != ["AWS4-HMAC-SHA256"] or not url.path.endswith(_ANY_KEY):
            raise OtherSignatureError
        prefix = f"{url.scheme}://{url.netloc}{url.path.removesuffix(_ANY_KEY)}"
        return _Place(prefix, signed_for["region"], signed_for["service"])
