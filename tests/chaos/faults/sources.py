"""Sources that answer badly, that never end, or whose URLs expire soon."""

import time
from contextlib import ExitStack

from tests.chaos.load import scaled
from tests.chaos.town import PART, TRANSFERS, Row, Town, content
from tests.conftest import eventually
from tests.never_ending import NEVER_ENDING, never_ending
from tests.origin import Answer
from workers.callbacks.assets import AssetId
from workers.intake.received import ReceivedCallbacks
from workers.ledger.storage.keys import TAKEN
from workers.liveness.signs_of_life import SWEEP, SignsOfLife

#: How many kinds of never-ending source there are, and the seconds after which a worker ends a transfer.
KINDS, TIMEOUT = 8, 15


def sources_never_end(town: Town, scale: float) -> Row:
    """Sources of eight kinds that never end hold every transfer of the worker; other assets are archived afterwards."""
    # Sources that announce no length reserve the most memory; with this much, they can hold all transfers.
    town.restart_worker(TRANSFER_TIMEOUT=str(TIMEOUT), TRANSFER_MEMORY="512MiB")
    kinds = NEVER_ENDING[:KINDS]
    with ExitStack() as running:
        sources = [running.enter_context(never_ending(kind, 0.05)) for kind in kinds]
        for source in sources:
            for _ in range(TRANSFERS // KINDS + 1):
                town.call(1, source=source.url)
        eventually(lambda: town.ledger.redis.hlen(TAKEN) == TRANSFERS)
        held = town.ledger.redis.hgetall(TAKEN)
        let_go_by = time.monotonic() + TIMEOUT + 5
        never = set(town.promised)
        town.call_many(scaled(100, scale, least=30), stems=1)
        archived_by = time.monotonic() + 30
        eventually(lambda: not ReceivedCallbacks(town.stack.redis()).waiting(), patience=8)
        assert town.ledger.redis.hgetall(TAKEN).items() >= held.items(), "a transfer ended too early"
        eventually(lambda: (SignsOfLife(town.stack.redis()).since(SWEEP) or 99) < 1, patience=7)
        eventually(lambda: not held.keys() & town.ledger.redis.hkeys(TAKEN), patience=let_go_by - time.monotonic())
        eventually(
            lambda: town.promised.keys() - never <= town.stored(),
            patience=archived_by - time.monotonic(),
        )
        for source in sources:
            source.mend(town.truth)
        return town.judge(f"{TRANSFERS} transfers held by {KINDS} kinds of source that never end", TRANSFERS, within=90)


def origin_misbehaves(town: Town, scale: float) -> Row:
    """Each bad answer of a source, for one asset each and at the same time; a good answer follows."""
    town.size = 2 * PART + 1000
    seconds = round(max(2, 20 * scale))
    refusals = 3 if scale >= 1 else 1

    def bad(path: str) -> dict[str, list[Answer]]:
        whole = content(path, town.size)
        other = content("other", town.size)
        return {
            "truncates": [Answer(whole, announced=len(whole) + 7)] * 2,
            "stalls": [Answer(whole, stall_at=PART)],
            "says_less": [Answer(whole, announced=len(whole) - 7)],
            "resets": [Answer(whole, cut_at=PART + 99)] * 2,
            "breaks_off_resumably": [Answer(whole, etag='"v1"', cut_at=PART + 99), Answer(whole, etag='"v1"')],
            "changes": [Answer(other, etag='"v0"', cut_at=PART + 99), Answer(whole, etag='"v1"', believes_any=True)],
            "asks_for_patience": [Answer(status=429, headers={"Retry-After": str(seconds)})],
            "refuses": [Answer(status=403)] * refusals,
            "shows_a_page": [Answer(b"<html><body>one moment please</body></html>")],
            "drops_gzip": [Answer(whole, gzipped=True, cut_at=900)],
        }

    manners = list(bad(""))
    for manner in manners:
        path = f"/{manner}/s0.mp3"
        town.origin.serve(path, *bad(path)[manner], Answer(content(path, town.size), etag='"v1"'))
        town.call(1, name=manner)
    return town.judge("source truncates, stalls, lies, resets, 429, 403, HTML, changes", len(manners), within=360)


def urgent_behind_backlog(town: Town, scale: float) -> Row:
    """An asset whose URL expires in five minutes arrives behind 2,000 that have days."""
    town.size = 2000
    town.stack.group.processes.remove(worker := town.stack.process("worker"))
    worker.kill()
    backlog = scaled(2000, scale, least=240)
    town.call_many(backlog // 12, stems=12)
    town.call(1, query=f"?expires={int(time.time()) + 300}", name="hurry")
    town.stack.start_worker()
    started = time.monotonic()
    eventually(lambda: town.ledger.asset(AssetId("hurry", "s0")).state == "archived", patience=250)
    seconds = time.monotonic() - started
    before = [path for path, _ in town.origin.requests].index(next(p for p, _ in town.origin.requests if "hurry" in p))
    row = town.judge(f"urgent asset behind {backlog}: stored after {seconds:.1f} s, {before} before it", 1, within=60)
    assert before < backlog / 4, "assets that expire first were not archived first"
    return row
