"""Every documented callback, sent to real processes; docs/callbacks.md has the expected result of each."""

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import quote

import pytest

from tests.conftest import PAYLOADS, Payload, eventually
from tests.integration.conftest import Service, renamed, serve_all
from tests.origin import Origin
from workers.callbacks import task_id_of

NAMES = sorted(path.stem for path in PAYLOADS.glob("*.json"))
TABLE = Path(__file__).parents[2] / "docs" / "callbacks.md"


def documented() -> dict[str, tuple[str, ...]]:
    """Read the table: payload → the rest of its row."""
    table = TABLE.read_text().partition("## Each documented payload")[2]
    rows = re.findall(r"^\| `(\w+)` \| (.*) \|$", table, re.MULTILINE)
    return {name: tuple(cell.strip() for cell in rest.split("|")) for name, rest in rows}


def row(manifest: dict[str, Any], keys: list[str]) -> tuple[str, ...]:
    """Give the stored result as a row of the table: family, stage, status, files."""
    task_id = manifest["task_id"]
    by_track: dict[str, list[str]] = {}
    for key in keys:
        folder, _, name = key.removeprefix(f"{task_id}/").rpartition("/")
        by_track.setdefault(folder, []).append(name.removeprefix(f"{task_id}_"))
    counts = Counter((bool(track), tuple(sorted(names))) for track, names in by_track.items())
    files = "; ".join(
        ("each of 2 tracks: " if count == 2 else "track: " if in_track else "") + " ".join(map("`{}`".format, names))
        for (in_track, names), count in counts.items()
    )
    return (manifest["family"], manifest["stage"], manifest["status"], files or "none")


def echoed(payload: dict[str, Any], origin: Origin) -> dict[str, Any]:
    """Add a copy of the customer's request with URLs of the origin to the payload, in each documented field."""
    trap = f"{origin.url}/echo"
    inner = {"prompt": f"{trap}/inner.mp3", "input": {"audio_url": f"{trap}/deep.mp3"}}
    request = {
        "param": json.dumps({"callBackUrl": f"{trap}/callbacks", "input": inner}),
        "paramJson": json.dumps(inner),
        "promptJson": inner,
        "prompt": f"{trap}/prompt.mp3",
        "input": [f"{trap}/input.mp3"],
        "callBackUrl": f"{trap}/one",
        "callbackUrl": f"{trap}/two",
        "progressCallBackUrl": f"{trap}/three",
    }
    data = payload.get("data")
    places = [data] if isinstance(data, dict) else data if isinstance(data, list) else []
    for place in [*places, payload]:
        place.update(request)
    return payload


def served_paths(origin: Origin, urls: Iterable[str]) -> list[str]:
    return [quote(url.removeprefix(origin.url), safe="/*") for url in urls]


@pytest.mark.parametrize("name", NAMES)
def test_each_payload_ends_as_exactly_its_objects_and_a_manifest(
    service: Service, origin: Origin, payload: Payload, name: str
) -> None:
    body = renamed(payload(name, origin.url))
    contents = serve_all(origin, body)
    body = echoed(body, origin)
    sent = json.dumps(body, ensure_ascii=False, indent=1)
    answer = service.post(sent.encode())
    assert (answer.status_code, answer.json()) == (200, {"status": "received"})
    task_id = task_id_of(body)
    service.settled(task_id)
    found = service.objects(f"{task_id}/")
    manifest = json.loads(found.pop(f"{task_id}/{task_id}_manifest.json"))
    # Each result is stored once and whole, and nothing else is: no URL of the request was fetched.
    assert sorted(found.values()) == sorted(contents.values())
    assert {entry["key"]: entry["sha256"] for entry in manifest["assets"].values()} == {
        key: hashlib.sha256(content).hexdigest() for key, content in found.items()
    }
    assert Counter(path for path, _ in origin.requests) == Counter(served_paths(origin, contents))
    assert [entry["body"] for entry in manifest["callbacks"]] == [sent]
    assert manifest["status"] == {"error": "failed", "complete": "archived"}.get(manifest["stage"], "received")
    assert row(manifest, list(found)) == documented()[name]


def test_the_table_has_a_row_for_each_payload_and_no_other() -> None:
    assert sorted(documented()) == NAMES


@pytest.mark.parametrize("seed", range(2))
def test_ten_deliveries_of_each_payload_in_random_order_are_as_good_as_one(
    service: Service, origin: Origin, payload: Payload, seed: int
) -> None:
    random = Random(seed)
    suffix = f"-ten-{seed}"
    bodies = {}
    for name in NAMES:
        task_id = task_id_of(payload(name))
        body = payload(name, f"{origin.url}/{task_id}")
        bodies[name] = json.loads(json.dumps(body).replace(f'"{task_id}"', f'"{task_id}{suffix}"'))
        serve_all(origin, bodies[name])
    deliveries = [name for name in NAMES for _ in range(10)]
    random.shuffle(deliveries)
    for name in deliveries:
        assert service.post(bodies[name]).status_code == 200
    eventually(lambda: not service.stack.redis().zcard("stemvault:received:due"), patience=60)
    tasks = {task_id_of(body): name for name, body in bodies.items()}
    for task_id, name in tasks.items():
        service.settled(task_id, patience=60)
        found = service.objects(f"{task_id}/")
        manifest = json.loads(found.pop(f"{task_id}/{task_id}_manifest.json"))
        # One task has all three stages; the last stage decides its final state.
        last = "music_complete" if name in {"music_text", "music_first"} else name
        assert row(manifest, list(found)) == documented()[last]
    assert set(Counter(path for path, _ in origin.requests).values()) == {1}
