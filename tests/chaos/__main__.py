"""``make chaos``: every fault on real processes, and a table of what it cost. Exit 1 if anything was lost or late.

``python -m tests.chaos [SCALE] [FAULT …]`` runs some of them, or all at another scale.
"""

import sys
import time

from rich.console import Console
from rich.table import Table

from tests import conftest  # noqa: F401 - clears the environment, as for the tests
from tests.chaos.faults import FAULTS
from tests.chaos.town import Row, running_town


def main(arguments: list[str]) -> int:
    """Run the faults and print their rows."""
    scale = float(arguments[0]) if arguments else 1.0
    names = arguments[1:] or list(FAULTS)
    console = Console(width=150)
    rows: list[Row] = []
    for name in names:
        started = time.monotonic()
        with running_town() as town:
            row = FAULTS[name](town, scale)
            if not row.good:
                console.print(town.missing()[:10], town.stack.process("worker").tail(30))
        rows.append(row)
        console.print(f"{'ok  ' if row.good else 'FAIL'} {name} in {time.monotonic() - started:.0f} s: {row.fault}")
    console.print(_table(rows))
    return 0 if all(row.good for row in rows) else 1


def _table(rows: list[Row]) -> Table:
    columns = ("fault", "injected", "acknowledged", "stored whole", "lost", "stored twice", "orphaned uploads")
    table = Table(*columns, "seconds to recovery", "allowed")
    for row in rows:
        counts = (row.injected, row.acknowledged, row.stored, row.lost, row.twice, row.orphans)
        table.add_row(row.fault, *map(str, counts), f"{row.recovery:.1f}", f"{row.within:.0f}")
    return table


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
