"""``stemvault doctor`` on the bucket: whether it is reachable, grants the rights, and takes each kind of request."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from http import HTTPStatus
from typing import Any
from uuid import uuid4

from botocore.exceptions import BotoCoreError, ClientError

from app.cli.doctor.finding import Finding
from app.cli.doctor.store.guarantees import examine_puts, examine_uploads
from config.settings import PREFIX, Settings
from workers.bucket.checksums import checksums
from workers.bucket.examination import BODY
from workers.bucket.store import Store
from workers.errors import AssetError, TransientError
from workers.s3.client import open_client, open_pool
from workers.s3.direct import DirectWrites
from workers.s3.errors import code_of, reporting
from workers.s3.signing import OtherSignatureError
from workers.transfer.parts import Body

#: For an error of boto3 before the first request.
AWS_ADVICE = "Correct the AWS_ variables of the environment, or the AWS configuration files."
_ARGUMENTS = f"{PREFIX}S3_UPLOAD_ARGS"
#: The longest metadata that ``workers/archive.py`` sends, without two short fields.
_MAX_METADATA = {"source-url": "https://" + "u" * 247, "task-id": "t" * 128, "stem": "s" * 128, "sha256": "0" * 64}


def examine_bucket(settings: Settings) -> Iterator[Finding]:
    """Try each kind of request that the fleet sends, under a key that is deleted at the end."""
    try:
        client = open_client(attempts=1)
    except (ValueError, BotoCoreError) as error:
        yield Finding(
            "bucket_reachable", "bucket", good=False, advice=f"AWS settings: {str(error).rstrip('.')}. {AWS_ADVICE}"
        )
        return
    trial = _Trial(settings, Store(client, settings.s3_bucket, upload_args=settings.s3_upload_args))
    reachable = trial.right("bucket_reachable", "bucket is reachable", "s3:ListBucket", trial.store.check)
    yield reachable
    if not reachable.good:
        return  # every other request would fail for the same reason
    try:
        yield from trial.rights()
        yield from trial.arguments()
        yield from examine_puts(trial.store, trial.key)
        yield from examine_uploads(trial.store, trial.key)
        yield trial.metadata()
        yield trial.direct()
        yield _lifecycle(trial.store)
    finally:
        delete = trial.right("delete", "bucket deletes an object", "s3:DeleteObject", trial.delete)
    yield delete


class _UnexpectedContentError(Exception):
    """The object has other content than was written."""


class _Trial:
    """Trial requests to one store, under one key."""

    def __init__(self, settings: Settings, store: Store) -> None:
        self.store = store
        self.key = settings.layout.unrecognized_key(f"doctor-{uuid4().hex}")
        self._arguments = settings.s3_upload_args

    def right(self, name: str, what: str, right: str, check: Callable[[], object]) -> Finding:
        """Try a request that needs a right."""
        try:
            check()
        except (AssetError, _UnexpectedContentError) as error:
            return Finding(name, what, good=False, advice=f"{error}. {self._advice(right)}")
        return Finding(name, what, good=True)

    def _advice(self, right: str) -> str:
        return (
            f"Check that bucket {self.store.bucket} exists at {self.store.client.meta.endpoint_url} "
            f"(AWS_ENDPOINT_URL_S3), and that the credentials (AWS_ACCESS_KEY_ID …) grant {right}."
        )

    def rights(self) -> Iterator[Finding]:
        """Write, read, and begin a multipart upload."""
        yield self._put()
        yield self.right("get", "bucket returns the object", "s3:GetObject", self._read)
        yield self.right("multipart", "bucket takes multipart uploads", "s3:AbortMultipartUpload", self._begin_upload)

    def _put(self) -> Finding:
        """Write as workers write documents. If that fails, try without ``S3_UPLOAD_ARGS`` to find the cause."""
        put = self.right("put", "bucket takes an object", "s3:PutObject", lambda: self._write(self.store))
        if put.good or not self._arguments:
            return put
        plain = self.right("put", "", "s3:PutObject", lambda: self._write(Store(self.store.client, self.store.bucket)))
        if not plain.good:
            return put
        said = put.advice.removesuffix(self._advice("s3:PutObject"))
        advice = f"{said}The bucket takes the object without {_ARGUMENTS}: correct that setting, or grant its rights."
        return Finding(put.name, put.what, good=False, advice=advice)

    def _write(self, store: Store) -> None:
        store.write_text(self.key, b"doctor", "text/plain")

    def _read(self) -> None:
        found = self.store.read_text(self.key)
        if found != b"doctor":
            raise _UnexpectedContentError("the object is gone" if found is None else "the object has other content")

    def _begin_upload(self) -> None:
        with reporting():
            self.store.abort_upload(self.key, self.store.create_upload(self.key, {}))

    def delete(self) -> None:
        """Delete the object of all trials."""
        self.store.delete(self.key)

    def arguments(self) -> Iterator[Finding]:
        """Write by one request, and begin a multipart upload, with the customer's arguments, if there are any."""
        if not self._arguments:
            return
        what = f"bucket takes {_ARGUMENTS}"
        try:
            with reporting():
                self.store.put(self.key, BODY, {**self._arguments, **checksums(BODY, md5=True)}, if_new=False)
                self.store.abort_upload(self.key, self.store.create_upload(self.key, self._arguments))
        except TransientError as error:
            advice = (
                f"{error.detail}. No asset can be stored with these arguments: correct {_ARGUMENTS}, or grant its "
                "rights (stemvault doctor --policy prints them)."
            )
            yield Finding("upload_args", what, good=False, advice=advice)
            return
        yield Finding("upload_args", what, good=True)

    def metadata(self) -> Finding:
        """Write the longest metadata that workers send, and read it back."""
        name, what = "metadata", "bucket keeps metadata of the greatest length"
        described = {"Metadata": _MAX_METADATA, **checksums(BODY, md5=True)}
        try:
            with reporting():
                self.store.put(self.key, BODY, described, if_new=False)
            kept = self.store.metadata(self.key) == _MAX_METADATA
        except TransientError as error:
            advice = f"{error.detail}. Assets with long URLs cannot be stored: use a store that takes 2 KB of metadata."
            return Finding(name, what, good=False, advice=advice)
        advice = "It returns other metadata than was written. The objects lack their source URL; the manifests have it."
        return Finding(name, what, good=kept, warning=True, advice=advice)

    def direct(self) -> Finding:
        """Write as workers do where they bypass boto3."""
        name, what = "direct", "bucket takes direct writes"
        pool = open_pool()
        if pool is None:
            return Finding(name, f"{what}: not tried, because a proxy is set", good=True)
        arguments = {"Key": self.key, "ContentType": "text/plain", **checksums(BODY, md5=True)}
        try:
            sent = DirectWrites(self.store.client, self.store.bucket, pool).send(Body(memoryview(BODY)), arguments)
        except OtherSignatureError:
            return Finding(name, f"{what}: not tried, because only boto3 can sign for this endpoint", good=True)
        finally:
            pool.clear()
        said = f"It answered {sent.status} {sent.code}".strip() if sent.status else "It did not answer"
        advice = f"{said}. Workers send bodies by boto3 instead, which costs twice the processor time for small files."
        return Finding(name, what, good=sent.status == HTTPStatus.OK, warning=True, advice=advice)


def _lifecycle(store: Store) -> Finding:
    """Look for the rule that aborts multipart uploads of which the ledger does not know."""
    name, what = "lifecycle", "bucket aborts abandoned multipart uploads"
    unknown = (
        "This store has no lifecycle rules, or does not tell them. Look in its documentation for a way to abort "
        "abandoned multipart uploads, or they occupy space without end."
    )
    rules: Sequence[Mapping[str, Any]] = []
    try:
        rules = store.client.get_bucket_lifecycle_configuration(Bucket=store.bucket).get("Rules", [])
    except ClientError as error:
        if code_of(error) != "NoSuchLifecycleConfiguration":
            return Finding(name, what, good=False, warning=True, advice=unknown)
    except BotoCoreError:
        pass
    else:
        # S3 answers 404 if there are no rules. Swift does not know the question and answers another one by 200.
        if not rules:
            return Finding(name, what, good=False, warning=True, advice=unknown)
    good = any("AbortIncompleteMultipartUpload" in rule and rule.get("Status") == "Enabled" for rule in rules)
    advice = (
        "The sweep aborts the uploads that the ledger knows. For the others add a lifecycle rule: aws s3api "
        f"put-bucket-lifecycle-configuration --bucket {store.bucket} --lifecycle-configuration "
        '\'{"Rules": [{"ID": "stemvault", "Status": "Enabled", "Filter": {"Prefix": ""}, '
        '"AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 2}}]}\''
    )
    return Finding(name, what, good=good, warning=True, advice=advice)
