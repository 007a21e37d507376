"""Ids that stand in a list twice, found in bounded memory: the ids that were met are in a temporary file."""

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing

from app.cli.task_lists.entries import Entry, Fault

#: KiB of ids that are kept in memory; those of about 200,000 tasks. More go to a file, which ends with the process.
_CACHE = 16 * 1024


def without_duplicates(found: Iterable[Entry | Fault]) -> Iterator[Entry | Fault]:
    """Give all entries, with a ``Fault`` in place of each one whose task was named before.

    If the temporary file cannot be written, later duplicates pass; a task that comes again is asked about once more.
    """
    # An empty name is a database of its own in a temporary file: https://www.sqlite.org/inmemorydb.html
    with closing(sqlite3.connect("", isolation_level=None)) as met:
        met.execute(f"PRAGMA cache_size = -{_CACHE}")
        met.execute("CREATE TABLE met (task TEXT PRIMARY KEY, line INTEGER) WITHOUT ROWID")
        met.execute("BEGIN")
        for each in found:
            before = _line_before(met, each) if isinstance(each, Entry) else None
            if before:
                yield Fault(each.line, f"the same task as on line {before}", is_duplicate=True)
            else:
                yield each


def _line_before(met: sqlite3.Connection, entry: Entry) -> int | None:
    """Note the entry; give the line of an earlier one with its task."""
    try:
        added = met.execute("INSERT OR IGNORE INTO met VALUES (?, ?)", (entry.task_id, entry.line)).rowcount
        if added:
            return None
        (line,) = met.execute("SELECT line FROM met WHERE task = ?", (entry.task_id,)).fetchone()
    except sqlite3.OperationalError:
        return None
    return int(line)
