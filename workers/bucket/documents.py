"""Small objects in the bucket, each written and read whole: manifests, callbacks, notes. Also list, delete and check.

The ingress uses ``Documents`` alone, so this module imports nothing of the transfers
(``tests/unit/ingress/test_imports.py``).
"""

import contextlib
import json
import time
from collections.abc import Callable, Iterator, Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING

import urllib3
from botocore.exceptions import ClientError

from config.values.upload_args import UploadArgs, of_documents
from workers.bucket.checksums import checksums
from workers.bucket.guarantees import OF_AWS, Guarantees, Learned
from workers.bucket.requests import Bucket
from workers.connections.attempt import cut_off_outside_attempts, never
from workers.s3.client import is_aws
from workers.s3.errors import reporting, status_of

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

#: A body of up to this many bytes carries its MD5 even if the store may not need it: that takes 1.5 ms at most.
_SMALL = 1024**2


class Documents(Bucket):
    """The documents of one bucket. Any failure of S3 is raised as ``TransientError("store_unavailable")``.

    ``upload_args`` go with each object, as far as they apply to documents. ``known`` names the store's guarantees if
    they are known already; those of AWS always are. A request outside an attempt ends after ``ASK_SECONDS``, or when
    ``must_stop`` returns True.
    """

    def __init__(  # noqa: PLR0913 - all but two have defaults
        self,
        client: "S3Client",
        bucket: str,
        pool: urllib3.PoolManager | None = None,
        *,
        bodies: "S3Client | None" = None,
        upload_args: UploadArgs | None = None,
        known: Guarantees | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        must_stop: Callable[[], bool] = never,
    ) -> None:
        super().__init__(client, bucket, pool, bodies=bodies)
        self._known = OF_AWS if known is None and is_aws(client) else known
        self._must_stop = must_stop
        self._with_documents = of_documents(upload_args or {})
        self._of_put = Learned("put", self._known, monotonic)

    @contextlib.contextmanager
    def _asking(self) -> Iterator[None]:
        """Bound the requests of the block in time, also outside an attempt, and raise ``TransientError``."""
        with cut_off_outside_attempts(self._must_stop), reporting():
            yield

    def check(self) -> None:
        """Reach the bucket. Raises ``TransientError`` with the reason if that fails."""
        with self._asking():
            self.client.head_bucket(Bucket=self.bucket)

    def write_json(self, key: str, document: object) -> None:
        """Write a small JSON document; it replaces an existing one."""
        body = json.dumps(document, indent=1).encode()
        self.write_text(key, body, "application/json")

    def write_text(self, key: str, body: bytes | memoryview, content_type: str, **metadata: str) -> None:
        """Write a small object whole; it replaces an existing one. Characters in metadata beyond ASCII become ``?``."""
        checks = checksums(body, md5=len(body) <= _SMALL or self._of_put.known.needs_md5)
        ascii_only = {name: value.encode("ascii", "replace").decode() for name, value in metadata.items()}
        with self._asking():
            described = self._with_documents | {"ContentType": content_type, "Metadata": ascii_only} | checks
            self.put(key, body, described, if_new=False)

    def read_text(self, key: str) -> bytes | None:
        """Read a small object whole. Returns None if there is none."""
        with self._asking():
            try:
                return self.client.get_object(Bucket=self.bucket, Key=key)["Body"].read()
            except ClientError as error:
                if status_of(error) == HTTPStatus.NOT_FOUND:
                    return None
                raise

    def metadata(self, key: str) -> dict[str, str]:
        """Read an object's metadata, with its names in lower case."""
        with self._asking():
            return lower_names(self.client.head_object(Bucket=self.bucket, Key=key)["Metadata"])

    def list(self, prefix: str, *, limit: int, after: str = "") -> list[str]:
        """List up to ``limit`` (1000 at most) keys with the prefix that follow ``after``, in alphabetical order."""
        with self._asking():
            found = self.client.list_objects_v2(Bucket=self.bucket, Prefix=prefix, MaxKeys=limit, StartAfter=after)
        return [item["Key"] for item in found.get("Contents", [])]

    def delete(self, key: str) -> None:
        """Delete an object, if there is one."""
        with self._asking():
            self.client.delete_object(Bucket=self.bucket, Key=key)


def lower_names(metadata: Mapping[str, str]) -> dict[str, str]:
    """Return metadata with names in lower case, as they were written: some stores change the case of header names."""
    return {name.lower(): value for name, value in metadata.items()}
