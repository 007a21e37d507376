"""``make chaos``: every fault on real processes, and a table of what it cost. Exit 1 if anything was lost or late.

``python -m tests.chaos [SCALE] [FAULT …]`` runs some of them, or all at another scale.
"""

import sys
import time
from argparse import ArgumentParser
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from tests import conftest  # noqa: F401 - clears the environment, as for the tests
from tests.chaos.faults import FAULTS
from tests.chaos.town import Row, running_town


def main(arguments: Sequence[str]) -> int:
    """Run the faults and print their rows."""
    scale, names = _parsed(arguments)
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


def _parsed(arguments: Sequence[str]) -> tuple[float, list[str]]:
    """Give the scale and the names of the faults; exits after a help text or a message on wrong arguments."""
    parser = ArgumentParser(prog="python -m tests.chaos", description="Break everything on real processes.")
    parser.add_argument("scale", type=float, nargs="?", default=1.0, help="1 by default; make test runs 0.1")
    parser.add_argument("fault", nargs="*", help=f"all by default: {', '.join(FAULTS)}")
    given = parser.parse_args(arguments)
    if unknown := [name for name in given.fault if name not in FAULTS]:
        parser.error(f"unknown fault {unknown[0]}; the faults are {', '.join(FAULTS)}")
    return given.scale, given.fault or list(FAULTS)


def _table(rows: list[Row]) -> Table:
    columns = ("fault", "injected", "acknowledged", "stored whole", "lost", "stored twice", "orphaned uploads")
    table = Table(*columns, "seconds to recovery", "allowed")
    for row in rows:
        counts = (row.injected, row.acknowledged, row.stored, row.lost, row.twice, row.orphans)
        table.add_row(row.fault, *map(str, counts), f"{row.recovery:.1f}", f"{row.within:.0f}")
    return table


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
