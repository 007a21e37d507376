"""The entries of a list of tasks: CSV with or without a header, JSON lines, bare ids one a line, or a mixture."""

import csv
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from config.layout import is_safe_name
from workers.callbacks import parse_body, task_id_of
from workers.errors import StemvaultError, UnreadableCallbackError
from workers.provider.families import FAMILIES

_DELIMITERS = ",;\t"
#: Names of columns, in lower case and without separators. Of several columns with an id, the first name here counts.
_ID_COLUMNS, _FAMILY_COLUMN = ("taskid", "task", "id"), "family"
_MAX_SHOWN = 60
#: The most lines of one record: a quoted cell of a CSV file with a header can have line breaks.
_MAX_RECORD_LINES = 1000


class TaskListError(StemvaultError):
    """The whole list cannot be read. The text says what to give instead."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One task of a list."""

    line: int
    """The number of the entry's first line, from 1."""
    task_id: str
    family: str
    """A name of ``workers.provider.families``, or empty if it is to be found by asking."""


@dataclass(frozen=True, slots=True)
class Fault:
    """An entry that is passed over, and why."""

    line: int
    why: str
    is_duplicate: bool = False
    """The list has the task already, so nothing is missing without this entry."""


class _UnusableError(StemvaultError):
    """An entry cannot be used."""


@dataclass(frozen=True, slots=True)
class _Header:
    """The columns of a CSV file, by their numbers from 0."""

    delimiter: str
    task_id: int
    family: int | None


def read_entries(lines: Iterable[str], *, family: str = "") -> Iterator[Entry | Fault]:
    """Read each entry; blank lines and lines that begin with ``#`` are comments. ``family`` is that of entries without.

    Without a header, the first column is the id and the second one the family. Raises ``TaskListError`` for one JSON
    list in place of JSON lines.
    """
    numbered = _Lines(lines)
    header: _Header | None = None
    is_first = True
    for number, text in numbered:
        line = text.strip()
        if not line or line.startswith("#"):
            continue
        try:
            if line.startswith("["):
                _refuse_list(number, is_first=is_first)
            if line.startswith("{"):
                named = _of_json(line)
            else:
                row = _row(text, numbered, header)
                if is_first and (header := _header_of(line, row)):
                    is_first = False
                    continue
                named = _of_row(row, header)
            yield _checked(number, *named, family)
        except _UnusableError as error:
            yield Fault(number, str(error))
        is_first = False


def usable(task_id: str, family: str = "") -> str:
    """Say why this task cannot be asked about; empty if it can."""
    if not is_safe_name(task_id):
        return f"{_shown(task_id)} is not a task id: it must be 1 to 128 letters, digits and ! - _ . * ' ( )"
    if family and family not in FAMILIES:
        return f"{_shown(family)} is no family; the families are {', '.join(FAMILIES)}"
    return ""


def _refuse_list(number: int, *, is_first: bool) -> None:
    if is_first:
        raise TaskListError("The list is one JSON list. Write one object a line, for example with: jq -c '.[]' FILE")
    raise _UnusableError(f"a JSON list on line {number}; write one object a line")


def _checked(line: int, task_id: str, family: str, default: str) -> Entry:
    family = family.lower() or default
    if why := usable(task_id, family):
        raise _UnusableError(why)
    return Entry(line, task_id, family)


def _of_json(line: str) -> tuple[str, str]:
    """Give id and family of an object. The id may also stand where the provider's answers have it."""
    try:
        entry: dict[str, Any] = parse_body(line.rstrip(","))
        task_id = entry["id"] if _has_only_an_id(entry) else task_id_of(entry)
    except UnreadableCallbackError as error:
        raise _UnusableError(str(error).replace("the body", "the line")) from None
    family = entry.get("family")
    if not isinstance(family, str | None):
        raise _UnusableError("'family' is not a text")
    return task_id, (family or "").strip()


def _has_only_an_id(entry: dict[str, Any]) -> bool:
    return isinstance(entry.get("id"), str) and not {"task_id", "taskId", "data"} & entry.keys()


class _Lines:
    """The lines with their numbers. Some can be given back, to be read again."""

    def __init__(self, lines: Iterable[str]) -> None:
        self._lines = enumerate(lines, 1)
        self._again: deque[tuple[int, str]] = deque()

    def __iter__(self) -> Iterator[tuple[int, str]]:
        while line := self._again.popleft() if self._again else next(self._lines, None):
            yield line

    def give_back(self, lines: list[tuple[int, str]]) -> None:
        """Have these lines, the last ones that were read, read again."""
        self._again.extendleft(reversed(lines))


def _row(text: str, following: _Lines, header: _Header | None) -> list[str]:
    """Read a row of CSV. If there is a header, it may go on in the following lines, if a quoted cell does."""
    used: list[tuple[int, str]] = []

    def record() -> Iterator[str]:
        yield f"{text}\n"
        for line in following if header else ():
            used.append(line)
            yield f"{line[1]}\n"
            if len(used) == _MAX_RECORD_LINES:
                break

    delimiter = header.delimiter if header else _delimiter_in(text)
    try:
        row = next(csv.reader(record(), delimiter=delimiter, strict=True, skipinitialspace=True))
    except csv.Error as error:
        following.give_back(used)
        raise _UnusableError(f"not CSV: {error}; is a quote missing?") from None
    return [cell.strip() for cell in row]


def _delimiter_in(text: str) -> str:
    return next((each for each in text if each in _DELIMITERS), _DELIMITERS[0])


def _header_of(line: str, row: list[str]) -> _Header | None:
    """Read the names of the columns; None if the row has no names."""
    names = ["".join(filter(str.isalnum, name.lower())) for name in row]
    found = [names.index(name) for name in _ID_COLUMNS if name in names]
    if not found:
        return None
    family = names.index(_FAMILY_COLUMN) if _FAMILY_COLUMN in names else None
    return _Header(_delimiter_in(line), found[0], family)


def _of_row(row: list[str], header: _Header | None) -> tuple[str, str]:
    id_column, family_column = (header.task_id, header.family) if header else (0, 1)
    return _cell(row, id_column), _cell(row, family_column)


def _cell(row: list[str], number: int | None) -> str:
    return row[number] if number is not None and number < len(row) else ""


def _shown(text: str) -> str:
    return repr(text if len(text) <= _MAX_SHOWN else text[:_MAX_SHOWN] + "…")
