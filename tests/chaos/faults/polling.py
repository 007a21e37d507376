"""The parts die while the provider is asked about many tasks whose callbacks never come."""

import itertools
import random
import time
from urllib.parse import urlsplit

from app.embedded.provider import Options, Provider, fake_provider
from app.embedded.provider.shapes.callbacks import callback
from config.layout import KeyLayout
from tests.chaos.load import scaled
from tests.chaos.town import Row, Town
from tests.conftest import eventually
from workers.callbacks import parse_callback
from workers.watching.turns import Turns
from workers.watching.watches import Watches

#: Seconds between two requests about one task; requests a second of the whole fleet.
INTERVAL, RATE = 3.0, 40
#: Seconds for which a task is in each of its stages.
STAGE = 6.0


def polling(town: Town, scale: float) -> Row:
    """SIGKILL the worker, beat and Redis in turn while tasks are watched; no callback is delivered."""
    options = Options(deliver=False, stage_seconds=STAGE, origin=town.origin.url)
    with fake_provider(options) as provider:
        settings = {"BASE_URL": provider.url, "API_KEY": provider.key, "RATE": str(RATE)}
        town.stack.group.environment = {
            **town.stack.group.environment,
            **{f"STEMVAULT_PROVIDER_{name}": value for name, value in settings.items()},
            "STEMVAULT_POLL_INTERVAL": f"{INTERVAL}s",
        }
        town.restart_worker()
        _watch(town, provider, scaled(200, scale, least=20))
        chance = random.Random(1)
        repeats = scaled(5, scale)
        for name in ("worker", "beat", "redis") * repeats:
            time.sleep(chance.uniform(0.5, 2.5))
            town.stack.restart(name)
        watches = Watches(town.stack.redis(), Turns(town.stack.redis()))
        eventually(lambda: not watches.number(), patience=2 * STAGE + 60)
        _check_pace(provider)
        return town.judge("worker, beat and Redis SIGKILLed while tasks are watched", 3 * repeats, within=45)


def _watch(town: Town, provider: Provider, number: int) -> None:
    """Register tasks; the files of all of them are promised from then on."""
    watches = Watches(town.stack.redis(), Turns(town.stack.redis()), interval=INTERVAL)
    for _ in range(number):
        task = provider.add_task("separation")
        watches.add(task, "separation", "watch")
        town.acknowledged += 1
        delivered = parse_callback(callback(provider.told(task, "SUCCESS")) or {})
        town.promised |= {asset.key(KeyLayout()): urlsplit(asset.url).path for asset in delivered.assets}


def _check_pace(provider: Provider) -> None:
    """Check that no task was asked about too early, and the provider not too often, whatever died."""
    tasks = {request.task_id for request in provider.requests}
    for task in tasks:
        times = [request.time for request in provider.requests.of(task)]
        shortest = min((later - earlier for earlier, later in itertools.pairwise(times)), default=INTERVAL)
        assert shortest > INTERVAL - 1, f"two requests about {task} were {shortest:.2f} s apart"
    peak = provider.requests.peak(5.0)
    assert peak <= 5 * RATE + 8, f"{peak} requests in 5 s"
