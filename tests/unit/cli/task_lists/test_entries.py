"""Lists of tasks as customers have them: every form, every encoding, every fault with its line, in bounded memory."""

import io
from collections.abc import Iterable, Iterator

import pytest

from app.cli.task_lists.duplicates import without_duplicates
from app.cli.task_lists.entries import Entry, Fault, TaskListError, read_entries
from app.cli.task_lists.lines import MAX_LINE, lines_of
from tests.unit.cli.memory import tracing


def read(text: bytes, family: str = "") -> tuple[list[tuple[int, str, str]], dict[int, str]]:
    """Give the entries, and the faults by their lines."""
    found = list(without_duplicates(read_entries(lines_of(io.BytesIO(text)), family=family)))
    entries = [(each.line, each.task_id, each.family) for each in found if isinstance(each, Entry)]
    return entries, {each.line: each.why for each in found if isinstance(each, Fault)}


@pytest.mark.parametrize(
    "text",
    [
        "a,music\nb,\nc,wav\n",
        "a, Music \r\n\r\n# a comment\r\nb\r\nc,WAV",
        "a\tmusic\rb\rc\twav\r",
        "Task ID;Family\na;music\nb;\nc;wav\n",
        'family,title,taskId\nmusic,"one, two",a\n,,b\nwav,"x ""y""",c\n',
        'id,prompt,family\na,"two\nlines",music\nb,"""quoted""\n\nthree",\nc,,wav\n',
        '{"task_id": "a", "family": "music"}\n{"taskId": "b"},\n{"id": "c", "family": "wav"}\n',
        '{"code": 200, "msg": "success", "data": {"taskId": "a"}, "family": "music"}\nb\n"c","wav"\n',
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_a_list_is_read_in_every_form_and_encoding(text: str, encoding: str) -> None:
    entries, faults = read(text.encode(encoding))
    assert [(task, family) for _, task, family in entries] == [("a", "music"), ("b", ""), ("c", "wav")]
    assert faults == {}


def test_bytes_of_another_encoding_matter_only_in_ids() -> None:
    titled = "task_id,title\na,Caf\xe9\nb,夜航\n".encode("latin-1", "replace") + "c,夜航\nd\xe9,x\n".encode(
        "gbk", "replace"
    )
    entries, faults = read(titled + b"e\xff,x\nf,y\n")
    assert [task for _, task, _ in entries] == ["a", "b", "c", "f"]
    assert faults.keys() == {5, 6}


def test_an_entry_that_cannot_be_used_is_told_with_its_line_and_the_rest_is_read() -> None:
    lines = [
        "a,music", "bad id,music", "", "../b", "c,opera", "a,wav", "[1]", '{"task_id": 5}', "{not json", '{"x": 1}',
        '"open', '{"task_id": "d", "family": 7}', "_inbox", ",music", '{"task_id": ' + "[" * 100_000, "e",
    ]  # fmt: skip
    entries, faults = read("\n".join(lines).encode())
    assert entries == [(1, "a", "music"), (16, "e", "")]
    assert faults.keys() == {2, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}
    assert "'opera' is no family; the families are music, " in faults[5]
    assert faults[6] == "the same task as on line 1"
    assert max(map(len, faults.values())) < 300


def test_a_quote_that_is_never_closed_costs_one_line() -> None:
    rows = [f"t{number},title {number}" for number in range(5000)]
    rows[10] = 't10,"title 10'
    entries, faults = read("\n".join(["task_id,title", *rows]).encode())
    assert len(entries) == 4999
    assert faults.keys() == {12}


def test_the_family_of_the_command_line_is_that_of_entries_without_one() -> None:
    entries, _ = read(b'a\nb,wav\n{"task_id": "c"}\n', family="lyrics")
    assert [family for _, _, family in entries] == ["lyrics", "wav", "lyrics"]


def test_one_json_list_is_refused_with_the_way_out() -> None:
    with pytest.raises(TaskListError, match="jq -c"):
        read(b'\n[\n {"task_id": "a"}\n]\n')


class Endless(io.RawIOBase):
    """A stream of bytes that are made when they are read."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        super().__init__()
        self._pieces = iter(pieces)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # narrower than any buffer
        piece = next(self._pieces, b"")
        buffer[: len(piece)] = piece
        return len(piece)


def count(pieces: Iterator[bytes]) -> int:
    """Read a list; give the number of entries and faults."""
    return sum(1 for _ in without_duplicates(read_entries(lines_of(io.BufferedReader(Endless(pieces))))))


@pytest.mark.slow
def test_memory_does_not_grow_with_the_list() -> None:
    def tasks() -> Iterator[bytes]:
        for piece in range(251):
            if piece % 25 == 0:
                held.measure()
            yield "".join(f"task-{piece}-{line},music\n" for line in range(200 if piece < 250 else 0)).encode()

    with tracing() as held:
        assert count(tasks()) == 50_000
    assert held.times == 11
    assert 1000 < held.most < 1_000_000


def test_memory_does_not_grow_with_a_line() -> None:
    def one_line() -> Iterator[bytes]:
        for piece in range(1001):
            if piece % 100 == 0:
                held.measure()
            yield b"x" * 8000

    with tracing() as held:
        assert count(one_line()) == 1
    assert MAX_LINE < held.most < 4 * MAX_LINE
