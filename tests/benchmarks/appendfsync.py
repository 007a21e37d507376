"""What it costs to have each acknowledged callback on disk before the answer: appendfsync ``always`` or ``everysec``.

Run it with ``python -m tests.benchmarks.appendfsync``. The two take turns on servers of their own.
"""

import statistics
import time
from contextlib import ExitStack
from typing import Any

from app.operate.embedded import embedded_stack
from workers.received import ReceivedCallbacks

ROUNDS, CALLBACKS = 5, 1000
BODY = '{"code": 200, "data": {"task_id": "t", "prompt": "' + "x" * 2000 + '"}}'


def main() -> None:
    """Measure and print medians and spreads."""
    with ExitStack() as stacks:
        servers: dict[str, Any] = {}
        for policy in ("everysec", "always"):
            stack = stacks.enter_context(embedded_stack({}))
            stack.start_redis()
            client = stack.redis()
            client.config_set("appendfsync", policy)
            servers[policy] = client
        rates: dict[str, list[float]] = {policy: [] for policy in servers}
        slowest: dict[str, list[float]] = {policy: [] for policy in servers}
        for _ in range(ROUNDS):
            for policy, client in servers.items():
                rate, p99 = _measure(ReceivedCallbacks(client))
                rates[policy].append(rate)
                slowest[policy].append(p99)
        for policy in servers:
            print(
                f"{policy:8}  {statistics.median(rates[policy]):7.0f} callbacks/s"
                f" ({min(rates[policy]):.0f} to {max(rates[policy]):.0f}),"
                f" p99 {statistics.median(slowest[policy]) * 1000:.2f} ms, one connection, {ROUNDS} rounds"
            )


def _measure(received: ReceivedCallbacks) -> tuple[float, float]:
    times = []
    for number in range(CALLBACKS):
        started = time.perf_counter()
        received.put(BODY, float(number))
        times.append(time.perf_counter() - started)
    return CALLBACKS / sum(times), sorted(times)[int(CALLBACKS * 0.99)]


if __name__ == "__main__":
    main()
