"""The parts die while the provider is asked about many tasks whose callbacks never come."""

import itertools
import json
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

from app.embedded.provider import Options, Provider, fake_provider
from app.embedded.provider.shapes.callbacks import callback
from config.layout import KeyLayout
from tests.chaos.load import scaled
from tests.chaos.town import Row, Town
from tests.conftest import eventually
from workers.callbacks import parse_callback
from workers.polling.poll import MAX_AT_ONCE
from workers.watching.turns import Turns
from workers.watching.watches import Watches

#: Seconds between two requests about one task.
INTERVAL = 3.0
#: Requests a second of the whole fleet, by row. Each row has more tasks due at once than the rate allows in 5 s:
#: without the limit, a fleet on two busy cores sends 100 and 87 requests then, and ``_check_rate`` accepts 48 and 58.
RATE, BACKFILL_RATE = 8, 10
#: Seconds for which a task is in each of its stages.
STAGE = 6.0


def polling(town: Town, scale: float) -> Row:
    """SIGKILL the worker, beat and Redis in turn while tasks are watched; no callback is delivered."""
    options = Options(deliver=False, stage_seconds=STAGE, origin=town.origin.url)
    with fake_provider(options) as provider:
        _point_at(town, provider, RATE=str(RATE))
        number = scaled(200, scale, least=100)
        _watch(town, provider, number)
        chance = random.Random(1)
        repeats = scaled(5, scale)
        for name in ("worker", "beat", "redis") * repeats:
            time.sleep(chance.uniform(0.5, 2.5))
            town.stack.restart(name)
        watches = Watches(town.stack.redis(), Turns(town.stack.redis()))
        eventually(lambda: not watches.number(), patience=2 * number / RATE + 2 * STAGE + 60)
        _check_interval(provider)
        _check_rate(provider, RATE)
        return town.judge("worker, beat and Redis SIGKILLed while tasks are watched", 3 * repeats, within=45)


def _point_at(town: Town, provider: Provider, **settings: str) -> None:
    """Have the town's worker ask this provider."""
    named = {"BASE_URL": provider.url, "API_KEY": provider.key, **settings}
    town.stack.group.environment = {
        **town.stack.group.environment,
        **{f"STEMVAULT_PROVIDER_{name}": value for name, value in named.items()},
        "STEMVAULT_POLL_INTERVAL": f"{INTERVAL}s",
    }
    town.restart_worker()


def _watch(town: Town, provider: Provider, number: int) -> None:
    """Register tasks; the files of all of them are promised from then on."""
    watches = Watches(town.stack.redis(), Turns(town.stack.redis()), interval=INTERVAL)
    tasks = [provider.add_task("separation") for _ in range(number)]
    for task in tasks:
        watches.add(task, "separation", "watch")
    _promise(town, provider, tasks, "SUCCESS")


def _promise(town: Town, provider: Provider, tasks: Iterable[str], state: str) -> None:
    for task in tasks:
        town.acknowledged += 1
        delivered = parse_callback(callback(provider.told(task, state)) or {})
        town.promised |= {asset.key(KeyLayout()): urlsplit(asset.url).path for asset in delivered.assets}


def _check_interval(provider: Provider) -> None:
    """Check that no task was asked about too early, whatever died."""
    tasks = {request.task_id for request in provider.requests}
    for task in tasks:
        times = [request.time for request in provider.requests.of(task)]
        shortest = min((later - earlier for earlier, later in itertools.pairwise(times)), default=INTERVAL)
        assert shortest > INTERVAL - 1, f"two requests about {task} were {shortest:.2f} s apart"


def _check_rate(provider: Provider, rate: float) -> None:
    """Check that the provider was asked at this rate at most, and at half of it: otherwise the row shows no limit.

    Requests that have their turns and are under way can arrive together.
    """
    peak = provider.requests.peak(5.0)
    assert 5 * rate / 2 <= peak <= 5 * rate + MAX_AT_ONCE, f"{peak} requests in 5 s, of {5 * rate} possible"


def backfill_killed(town: Town, scale: float) -> Row:
    """SIGKILL a backfill half-way and run it again: a tenth is gone, a tenth is archived already."""
    options = Options(deliver=False, stage_seconds=0, origin=town.origin.url)
    with fake_provider(options) as provider, TemporaryDirectory() as folder:
        _point_at(town, provider, RATE=str(BACKFILL_RATE))
        number = scaled(1600, scale)
        alive = [provider.add_task("mp4", stages=["SUCCESS"]) for _ in range(number * 9 // 10)]
        gone = [f"gone-{each}" for each in range(number // 10)]
        town.size = 20_000
        _promise(town, provider, alive, "SUCCESS")
        before, after = Path(folder, "before.csv"), Path(folder, "all.csv")
        before.write_text("".join(f"{task},video\n" for task in alive[: number // 10]))
        after.write_text("".join(f"{task},video\n" for task in sorted([*alive, *gone])))
        assert _backfill(town, before).wait(120) == 0, "the first tenth was not archived"
        killed = _backfill(town, after)
        eventually(lambda: len(provider.requests) > number // 2, patience=240)
        killed.kill()
        killed.wait()
        report = Path(folder, "report.jsonl")
        assert _backfill(town, after, "--report", str(report)).wait(240) == 1, "gone tasks end in exit status 1"
        told = Counter(json.loads(line)["outcome"] for line in report.read_text().splitlines())
        assert told["gone"] == len(gone), told
        assert told["archived"] + told["already_there"] == len(alive), told
        assert told["already_there"] >= number // 10, told
        fetched = Counter(path.partition("?")[0] for path, _ in town.origin.requests)
        assert set(fetched.values()) == {1}, fetched.most_common(3)
        assert not [each for each in provider.requests if each.code], "the provider refused a request"
        _check_rate(provider, BACKFILL_RATE)
        return town.judge("backfill SIGKILLed half-way and run again", 1, within=10)


def _backfill(town: Town, tasks: Path, *arguments: str) -> subprocess.Popen[bytes]:
    command = [str(Path(sys.executable).with_name("stemvault")), "backfill", str(tasks), *arguments]
    return subprocess.Popen(command, env=dict(town.stack.group.environment), stdout=subprocess.DEVNULL)
