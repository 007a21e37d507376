"""``stemvault doctor`` on the bucket: rights, and what the store makes of each kind of request that we send."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from http import HTTPStatus
from typing import Any
from uuid import uuid4

from botocore.exceptions import BotoCoreError, ClientError

from app.cli.doctor.finding import Finding
from app.cli.doctor.rivals import both_succeed
from app.embedded.processes import StartError
from config.settings import PREFIX, Settings
from workers.bucket.checksums import checksums
from workers.bucket.examination import BODY, examine_put, examine_upload
from workers.bucket.guarantees import Checksum, Condition
from workers.bucket.store import Store
from workers.errors import AssetError, TransientError
from workers.s3.client import open_client, open_pool
from workers.s3.direct import DirectWrites
from workers.s3.errors import code_of, reporting
from workers.s3.signing import OtherSignatureError
from workers.transfer.parts import Body

#: As long as a value can be that we send (``workers/archive.py``), next to the four others.
_MAX_METADATA = {"source-url": "https://" + "u" * 247, "task-id": "t" * 128, "stem": "s" * 128, "sha256": "0" * 64}
_UNCHECKED = (
    "The store takes a body that contradicts its checksum (CRC-32C and Content-MD5 alike), so it can keep bytes that "
    "changed under way. Reach it by TLS, which notices that, and keep proxies that rewrite bodies away."
)
_WITHOUT_CONDITION = (
    "A HEAD request precedes each {write} instead, and another one follows it and compares. Two workers at one asset "
    "at the same moment could still write one after the other."
)


class _NoHold:
    """The doctor's uploads are aborted by the doctor alone."""

    def alive(self) -> None: ...

    def upload_began(self, upload: str) -> None: ...

    def upload_left(self) -> None: ...

    def upload_ended(self) -> None: ...


def examine_bucket(settings: Settings) -> Iterator[Finding]:
    """Try all that the fleet does with its bucket, under a key that is deleted at the end."""
    try:
        store = Store(open_client(attempts=1), settings.s3_bucket, upload_args=settings.s3_upload_args)
    except (ValueError, BotoCoreError) as error:
        yield Finding("bucket_reachable", "bucket", good=False, advice=f"AWS settings: {error}")
        return
    trial = _Trial(settings, store)
    reachable = trial.right("bucket_reachable", "bucket is reachable", "s3:ListBucket", store.check)
    yield reachable
    if not reachable.good:
        return  # nothing else can be found out
    try:
        yield from trial.rights()
        yield from trial.arguments()
        yield from trial.puts()
        yield from trial.uploads()
        yield trial.metadata()
        yield trial.direct()
        yield _lifecycle(store)
    finally:
        delete = trial.right("delete", "bucket lets it be deleted", "s3:DeleteObject", lambda: store.delete(trial.key))
    yield delete


class _Trial:
    """What is tried with one store, under one key."""

    def __init__(self, settings: Settings, store: Store) -> None:
        self.settings = settings
        self.store = store
        self.key = settings.layout.unrecognized_key(f"doctor-{uuid4().hex}")

    def right(self, name: str, what: str, right: str, check: Callable[[], object]) -> Finding:
        """Try what needs a right."""
        try:
            check()
        except (AssetError, StartError) as error:
            return Finding(
                name,
                what,
                good=False,
                advice=f"{error}. Bucket {self.store.bucket} at {self.store.client.meta.endpoint_url}: does it exist, "
                f"is AWS_ENDPOINT_URL_S3 right, and do the credentials (AWS_ACCESS_KEY_ID …) grant {right}?",
            )
        return Finding(name, what, good=True)

    def rights(self) -> Iterator[Finding]:
        """Write, read, and begin an upload."""
        store, key = self.store, self.key

        def write() -> None:
            store.write_text(key, b"doctor", "text/plain")

        def read() -> None:
            found = store.read_text(key)
            if found != b"doctor":
                raise StartError("nothing came back" if found is None else "something else came back")

        def begin() -> None:
            with reporting():
                store.abort_upload(key, store.create_upload(key, {}))

        yield self.right("put", "bucket takes an object", "s3:PutObject", write)
        yield self.right("get", "bucket gives it back", "s3:GetObject", read)
        yield self.right("multipart", "bucket takes multipart uploads", "s3:AbortMultipartUpload", begin)

    def arguments(self) -> Iterator[Finding]:
        """Write by one request and begin an upload with the customer's arguments, if there are any."""
        arguments = self.settings.s3_upload_args
        if not arguments:
            return
        what = f"bucket takes {PREFIX}S3_UPLOAD_ARGS"
        try:
            with reporting():
                self.store.put(self.key, BODY, {**arguments, **checksums(BODY, md5=True)}, if_new=False)
                self.store.abort_upload(self.key, self.store.create_upload(self.key, arguments))
        except TransientError as error:
            yield Finding("upload_args", what, good=False, advice=f"{error.detail}. No asset can be stored like this.")
            return
        yield Finding("upload_args", what, good=True)

    def puts(self) -> Iterator[Finding]:
        """Send wrong checksums, and writes where an object stands or comes to stand meanwhile."""
        try:
            with reporting():
                found = examine_put(self.store, self.key, {})
        except TransientError as error:
            yield _unclear("put_guarantees", "bucket tells what it makes of wrong checksums and conditions", error)
            return
        yield _checksum("checksum_on_put", "an object", found.checksum)
        yield _condition("condition_on_put", "If-None-Match", "write", found.condition)
        if found.condition is Condition.HONOURED:
            yield self._rivals()

    def _rivals(self) -> Finding:
        name, what = "rivals", "bucket refuses one of two writers at the same moment"
        rival_key = f"{self.key}-rivals"
        try:
            with reporting():
                both = both_succeed(self.store.client, self.store.bucket, rival_key)
        except TransientError as error:
            return _unclear(name, what, error)
        finally:
            self.right("", "", "", lambda: self.store.delete(rival_key))
        advice = "It tells both that they have written. A HEAD request after each write shows whose bytes are kept."
        return Finding(name, what, good=not both, warning=True, advice=advice)

    def uploads(self) -> Iterator[Finding]:
        """Do the same with a part, and with the request that completes an upload."""
        try:
            with reporting():
                found = examine_upload(self.store, self.key, {}, _NoHold())
        except TransientError as error:
            yield _unclear("multipart_guarantees", "bucket tells what it makes of wrong checksums of parts", error)
            return
        yield _checksum("checksum_on_part", "a part", found.checksum)
        yield _condition("condition_on_complete", "If-None-Match on completing", "completion", found.condition)

    def metadata(self) -> Finding:
        """Write the longest metadata that can occur, and ask for it."""
        name, what = "metadata", "bucket keeps the longest metadata that can occur"
        described = {"Metadata": _MAX_METADATA, **checksums(BODY, md5=True)}
        try:
            with reporting():
                self.store.put(self.key, BODY, described, if_new=False)
            kept = self.store.metadata(self.key) == _MAX_METADATA
        except TransientError as error:
            advice = f"{error.detail}. Assets with long URLs cannot be stored."
            return Finding(name, what, good=False, advice=advice)
        advice = "It gives back other metadata than it was given: objects do not tell where they came from."
        return Finding(name, what, good=kept, warning=True, advice=advice)

    def direct(self) -> Finding:
        """Write past boto3."""
        name, what = "direct", "bucket takes direct writes"
        pool = open_pool()
        if pool is None:
            return Finding(name, f"{what}: not tried, as bodies go by a proxy", good=True)
        arguments = {"Key": self.key, "ContentType": "text/plain", **checksums(BODY, md5=True)}
        try:
            sent = DirectWrites(self.store.client, self.store.bucket, pool).send(Body(memoryview(BODY)), arguments)
        except OtherSignatureError:
            return Finding(name, f"{what}: not tried, as only boto3 can sign here", good=True)
        finally:
            pool.clear()
        said = f"It answered {sent.status} {sent.code}".strip() if sent.status else "It did not answer"
        advice = f"{said}. boto3 sends bodies instead, at twice the processor time for small files."
        return Finding(name, what, good=sent.status == HTTPStatus.OK, warning=True, advice=advice)


def _unclear(name: str, what: str, error: TransientError) -> Finding:
    advice = f"{error.detail}. Workers take every precaution and try again each minute."
    return Finding(name, what, good=False, warning=True, advice=advice)


def _checksum(name: str, of: str, found: Checksum) -> Finding:
    by = {Checksum.CRC32C: " (CRC-32C)", Checksum.MD5: " (Content-MD5; it does not look at CRC-32C)"}.get(found, "")
    what = f"bucket compares the checksum of {of}{by}"
    return Finding(name, what, good=found is not Checksum.NONE, warning=True, advice=_UNCHECKED, value=found)


def _condition(name: str, condition: str, write: str, found: Condition) -> Finding:
    saying = {Condition.IGNORED: "It ignores the condition.", Condition.REFUSED: "It refuses the condition."}
    advice = f"{saying.get(found, '')} {_WITHOUT_CONDITION.format(write=write)}"
    what = f"bucket refuses to overwrite ({condition})"
    return Finding(name, what, good=found is Condition.HONOURED, warning=True, advice=advice, value=found)


def _lifecycle(store: Store) -> Finding:
    """Look for the rule that clears up behind a worker that died between two lines of ours."""
    name, what = "lifecycle", "bucket aborts multipart uploads that were left behind"
    unknown = "This store does not tell (or has no) lifecycle rules; see in its documents how it clears them up."
    rules: Sequence[Mapping[str, Any]] = []
    try:
        rules = store.client.get_bucket_lifecycle_configuration(Bucket=store.bucket).get("Rules", [])
    except ClientError as error:
        if code_of(error) != "NoSuchLifecycleConfiguration":
            return Finding(name, what, good=False, warning=True, advice=unknown)
    except BotoCoreError:
        pass
    else:
        # S3 says by 404 that there are none. A store that does not know the question answers another one (Swift).
        if not rules:
            return Finding(name, what, good=False, warning=True, advice=unknown)
    good = any("AbortIncompleteMultipartUpload" in rule and rule.get("Status") == "Enabled" for rule in rules)
    advice = (
        "The sweep aborts those that the ledger knows of. For the rest add a lifecycle rule: aws s3api "
        f"put-bucket-lifecycle-configuration --bucket {store.bucket} --lifecycle-configuration "
        '\'{"Rules": [{"ID": "stemvault", "Status": "Enabled", "Filter": {"Prefix": ""}, '
        '"AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 2}}]}\''
    )
    return Finding(name, what, good=good, warning=True, advice=advice)
