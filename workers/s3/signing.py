"""Signs requests to the bucket by a header, with botocore's own signer but without the rest of its machinery.

The bucket's place (path or virtual host, region, port) is read once from a URL that botocore presigns.
"""

import re
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import parse_qs, quote, urlencode, urlsplit

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest

from workers.s3.internals import credentials_of

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

_CREDENTIAL = re.compile(r".*/[0-9]{8}/(?P<region>[^/]+)/(?P<service>[^/]+)/aws4_request")
_ANY_KEY = "any-key"


class _Place(NamedTuple):
    """The URL before an object's key, and the region and service that a signature names."""

    prefix: str
    region: str
    service: str


class OtherSignatureError(Exception):
    """Botocore does not use Signature Version 4 for this bucket, so only botocore can sign."""


class HeaderSigner:
    """Signs requests to one bucket by Signature Version 4, without the payload. Threads may share it."""

    def __init__(self, client: "S3Client", bucket: str) -> None:
        self._client = client
        self._bucket = bucket
        self._place: _Place | None = None
        self._reading = threading.Lock()

    def sign(
        self, method: str, key: str, query: Mapping[str, object], headers: Mapping[str, str]
    ) -> tuple[str, dict[str, str]]:
        """Return the URL and headers of a signed request. Raises ``OtherSignatureError``, and botocore's errors."""
        place = self._place or self._place_of_bucket()
        url = place.prefix + quote(key, safe="/~")
        request = AWSRequest(method, f"{url}?{urlencode(query, quote_via=quote)}" if query else url, headers)
        request.context["client_config"] = self._client.meta.config
        credentials = credentials_of(self._client).get_frozen_credentials()
        S3SigV4Auth(credentials, place.service, place.region).add_auth(request)
        return str(request.url), dict(request.headers)

    def _place_of_bucket(self) -> _Place:
        with self._reading:
            if self._place is None:
                self._place = self._read_place()
            return self._place

    def _read_place(self) -> _Place:
        arguments: dict[str, Any] = {"Bucket": self._bucket, "Key": _ANY_KEY}
        url = urlsplit(self._client.generate_presigned_url("get_object", Params=arguments))
        query = parse_qs(url.query)
        signed_for = _CREDENTIAL.fullmatch(query.get("X-Amz-Credential", [""])[0])
        if not signed_for or query.get("X-Amz-Algorithm") != ["AWS4-HMAC-SHA256"] or not url.path.endswith(_ANY_KEY):
            raise OtherSignatureError
        prefix = f"{url.scheme}://{url.netloc}{url.path.removesuffix(_ANY_KEY)}"
        return _Place(prefix, signed_for["region"], signed_for["service"])
