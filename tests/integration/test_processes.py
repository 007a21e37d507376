"""The processes of a worker: how many there are, and what each is free for."""

import os
import signal
from pathlib import Path

import pytest

from app.embedded.stack import embedded_stack
from tests.conftest import Payload, eventually
from tests.integration.conftest import LOCAL, Service, children_of
from tests.origin import Answer, Origin, film
from workers.ledger.assets import SUSPECT_AFTER
from workers.ledger.storage.keys import TAKEN


def threads_of(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/task").iterdir()))


ENDLESS = Answer(film(1024**2), piece=1024, pause=0.5)


@pytest.mark.timeout(120)
def test_a_worker_adds_a_process_when_a_task_waits_for_one(origin: Origin, payload: Payload) -> None:
    """A suspect and an endless video occupy the two processes of a worker; a third one records an honest callback."""
    with embedded_stack({**LOCAL, "STEMVAULT_SHUTDOWN_GRACE": "1s"}) as stack:
        stack.start_redis()
        stack.start_s3()
        stack.start_ingress()
        worker = stack.start_worker("worker", "--concurrency", "1")
        service = Service(stack)
        redis = stack.redis()

        def post(task_id: str, answer: Answer) -> None:
            video = payload("video", origin.url)
            video["data"]["task_id"] = task_id
            video["data"]["video_url"] = origin.serve(f"/{task_id}.mp4", answer)
            assert service.post(video).status_code == 200

        # Two videos are under way when their process dies, twice: from then on each is tried alone.
        for name in ("suspect-1", "suspect-2"):
            post(name, ENDLESS)
        for _ in range(SUSPECT_AFTER):
            eventually(lambda: redis.hlen(TAKEN) == 2 and len(children_of(worker.pid)) >= 2)
            before = set(redis.hkeys(TAKEN))
            os.kill(max(children_of(worker.pid), key=threads_of), signal.SIGKILL)
            eventually(lambda: not before & set(redis.hkeys(TAKEN)))  # noqa: B023 - called now
        post("endless", ENDLESS)
        eventually(lambda: redis.hlen(TAKEN) == 2)
        post("honest", Answer(film(1024)))
        assert service.settled("honest").assets["video"].state == "archived"
        assert (len(children_of(worker.pid)), redis.hlen(TAKEN)) == (3, 2)
