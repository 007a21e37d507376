"""Each line of output is one JSON object without secrets, whichever library or stream it comes from."""

import json
import subprocess
import sys
from pathlib import Path
from select import PIPE_BUF

import pytest

from tests.conftest import MakeSettings

_BEGIN = (
    "import logging, os, sys, threading, warnings; from config.logging import log_all_output; log_all_output({!r})\n"
)


def lines_of(program: str, *, level: str = "info") -> list[dict[str, object]]:
    """Run a program whose output is logged, and give all lines of its two streams."""
    command = [sys.executable, "-c", _BEGIN.format(level) + program]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert done.stdout == ""
    return [json.loads(line) for line in done.stderr.splitlines()]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("program", "logger", "level", "event"),
    [
        ("print('a', 'b')", "stdout", "info", "a b"),
        ("print('hello', file=sys.stderr)", "stderr", "error", "hello"),
        ("warnings.warn('old')", "py.warnings", "warning", "UserWarning: old"),
        ("logging.getLogger('any').info('two\\nlines')", "any", "info", "two\nlines"),
        ("a = logging.getLogger('a'); a.propagate = False; a.warning('alone')", "a", "warning", "alone"),
        ("1 / 0", "uncaught", "critical", "uncaught_exception"),
        ("threading.Thread(target=lambda: 1 / 0).start()", "uncaught", "critical", "uncaught_exception"),
        ("class A:\n __del__ = lambda s: 1 / 0\nA()", "uncaught", "critical", "uncaught_exception"),
        ("logging.warning('%s and %s', 1)", "stderr", "error", "--- Logging error ---"),
    ],
)
def test_whatever_a_process_says_is_an_event(program: str, logger: str, level: str, event: str) -> None:
    first, *_ = lines_of(program)
    assert (first["logger"], first["level"]) == (logger, level)
    assert event in str(first["event"])
    assert {"timestamp", "pid"} <= first.keys()


@pytest.mark.slow
def test_an_uncaught_exception_is_one_event_with_its_traceback_and_without_its_secret() -> None:
    (only,) = lines_of("raise ValueError('http://files.example/a?signature=5ecret')")
    assert "Traceback" in str(only["exception"])
    assert "ValueError: http://files.example/a?…" in str(only["exception"])


@pytest.mark.slow
def test_a_log_that_cannot_be_written_ends_nothing() -> None:
    program = "reader, writer = os.pipe(); os.close(reader); os.dup2(writer, 2); logging.warning('x'); os._exit(7)"
    done = subprocess.run([sys.executable, "-c", _BEGIN.format("info") + program], timeout=30, check=False)
    assert done.returncode == 7


_CROWD = """
for _ in range(4):
    if not os.fork():
        for number in range(200):
            logging.warning("x" * {})
        os._exit(0)
for _ in range(4):
    os.wait()
"""


@pytest.mark.slow
def test_lines_of_several_processes_that_share_a_pipe_are_not_mixed() -> None:
    assert len(lines_of(_CROWD.format(PIPE_BUF - 200))) == 800


@pytest.mark.slow
def test_lines_of_any_length_of_several_processes_that_share_a_file_are_not_mixed(tmp_path: Path) -> None:
    path = tmp_path / "log"
    with path.open("ab") as log:
        subprocess.run([sys.executable, "-c", _BEGIN.format("info") + _CROWD.format(20_000)], stderr=log, check=True)
    assert len([json.loads(line) for line in path.read_text().splitlines()]) == 800


@pytest.mark.slow
@pytest.mark.parametrize(("level", "shown"), [("debug", 4), ("info", 3), ("warning", 2), ("error", 1)])
def test_the_level_holds_for_our_events_and_for_those_of_libraries(level: str, shown: int) -> None:
    program = (
        "import structlog\n"
        "for who, log in [('ours', structlog.get_logger()), ('theirs', logging.getLogger('library'))]:\n"
        "    for name in ('debug', 'info', 'warning', 'error'): getattr(log, name)(who)\n"
    )
    said = [line["event"] for line in lines_of(program, level=level)]
    assert said == ["ours"] * shown + ["theirs"] * shown


@pytest.mark.slow
def test_at_debug_level_libraries_that_print_whole_urls_and_headers_stay_silent() -> None:
    names = ("urllib3", "botocore", "kombu", "another")
    program = f"for name in {names}: logging.getLogger(name + '.part').debug('GET /a?key=5ecret')"
    assert [line["logger"] for line in lines_of(program, level="debug")] == ["another.part"]


@pytest.mark.parametrize(("value", "expected"), [("debug", "debug"), ("WARNING", "warning"), ("", "info")])
def test_the_level_is_a_setting(make_settings: MakeSettings, value: str, expected: str) -> None:
    assert make_settings(LOG_LEVEL=value).log_level == expected


def test_an_unknown_level_is_refused_with_those_that_there_are(make_settings: MakeSettings) -> None:
    with pytest.raises(Exception, match=r"STEMVAULT_LOG_LEVEL: .*'debug', 'info', 'warning' or 'error'"):
        make_settings(LOG_LEVEL="loud")
