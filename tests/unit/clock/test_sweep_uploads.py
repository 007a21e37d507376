"""The sweep aborts the multipart uploads of dead workers, and no others."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.origin import Origin
from tests.unit.conftest import LEASE, Clock, Sent
from tests.unit.story import GOOD, KEY, PATH, run
from workers.clock.sweep import sweep
from workers.context import WorkerContext
from workers.errors import TransientError
from workers.ingest import ingest
from workers.ledger.storage.keys import ORPHANS, UPLOADS


def test_an_upload_is_noted_before_it_is_created(
    context: WorkerContext, clock: Clock, sent: Sent, origin: Origin, body: str
) -> None:
    noted: list[list[str]] = []
    events = context.store.client.meta.events
    for operation in ("CreateMultipartUpload", "UploadPart"):
        events.register(
            f"before-call.s3.{operation}",
            lambda **_: noted.append([*map(str, context.ledger.redis.zrange(UPLOADS, 0, -1))]),
        )
    origin.serve(PATH, GOOD)
    ingest(context, body, clock())
    run(context, sent)
    # The requests before these examine the store.
    assert [[name[:1] == "?" for name in names] for names in noted[-4:]] == [[True], [False], [False], [False]]
    assert context.ledger.redis.zcard(UPLOADS) == 0


def test_a_dead_workers_upload_is_aborted_by_the_sweep(context: WorkerContext, clock: Clock) -> None:
    client = context.store.client
    upload_id = client.create_multipart_upload(Bucket="vault", Key=KEY)["UploadId"]
    context.ledger.upload_began(f"{upload_id} {KEY}")
    clock.advance(LEASE - 1)
    sweep(context)
    assert len(client.list_multipart_uploads(Bucket="vault")["Uploads"]) == 1
    clock.advance(2)
    sweep(context)
    assert "Uploads" not in client.list_multipart_uploads(Bucket="vault")


def test_the_sweep_aborts_uploads_of_two_dead_workers_to_one_key(context: WorkerContext, clock: Clock) -> None:
    client = context.store.client
    for worker in "ab":
        client.create_multipart_upload(Bucket="vault", Key=KEY)
        context.ledger.upload_began(f"?{worker} {KEY}")
        clock.advance(LEASE / 2)
    for _ in range(5):
        sweep(context)
        clock.advance(LEASE / 2)
    assert client.list_multipart_uploads(Bucket="vault").get("Uploads", []) == []
    assert context.ledger.redis.exists(UPLOADS, ORPHANS) == 0


def test_an_upload_whose_worker_died_before_it_knew_its_id_is_aborted_and_no_other_of_the_key(
    context: WorkerContext, clock: Clock
) -> None:
    client = context.store.client
    unnamed, known, other = (
        client.create_multipart_upload(Bucket="vault", Key=key)["UploadId"] for key in (KEY, KEY, f"{KEY}.mp3")
    )
    context.ledger.upload_began(f"?1 {KEY}")
    clock.advance(LEASE + 1)
    context.ledger.upload_began(f"{known} {KEY}")
    sweep(context)
    assert {upload["UploadId"] for upload in client.list_multipart_uploads(Bucket="vault")["Uploads"]} == {known, other}
    assert unnamed not in {known, other}
    assert not context.ledger.orphaned_uploads()


def test_the_sweep_does_not_abort_an_upload_that_another_worker_is_creating(
    context: WorkerContext, clock: Clock
) -> None:
    client = context.store.client
    context.ledger.upload_began(f"?dead {KEY}")
    clock.advance(LEASE + 1)
    context.ledger.upload_began(f"?alive {KEY}")
    client.create_multipart_upload(Bucket="vault", Key=KEY)
    sweep(context)
    assert len(client.list_multipart_uploads(Bucket="vault")["Uploads"]) == 1
    clock.advance(LEASE + 1)
    sweep(context)
    assert "Uploads" not in client.list_multipart_uploads(Bucket="vault")


@pytest.mark.parametrize("status", [403, 405, 501])
def test_a_store_that_does_not_list_uploads_is_not_asked_again(
    context: WorkerContext, clock: Clock, status: int
) -> None:
    def answer(model: Any, **_: object) -> None:
        raise ClientError({"ResponseMetadata": {"HTTPStatusCode": status}}, model.name)  # type: ignore[typeddict-item]  # the stubs want all fields

    context.store.client.meta.events.register("before-call.s3.ListMultipartUploads", answer)
    context.ledger.upload_began(f"?1 {KEY}")
    clock.advance(LEASE + 1)
    sweep(context)
    assert not context.ledger.redis.zcard(UPLOADS)


def test_an_upload_that_cannot_be_aborted_does_not_keep_the_others_and_has_its_turn_again(
    context: WorkerContext, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(150):
        context.ledger.upload_began(f"u{number:03} key")
    aborted = []

    def abort(upload: str) -> None:
        if upload.startswith("u00"):
            raise TransientError("store_unavailable", "405")
        aborted.append(upload)

    monkeypatch.setattr(context.store, "abort", abort)
    clock.advance(LEASE + 1)
    for _ in range(2):
        sweep(context)
    assert len(aborted) == 140
    assert len(context.ledger.orphaned_uploads()) == 0
    clock.advance(LEASE + 1)
    assert len(context.ledger.orphaned_uploads()) == 10
