"""Ends the embedded parts and removes their folder when the process that started them has ended, however it ended.

That process may be killed, its terminal may be closed, and a second Ctrl-C interrupts its cleaning up. So a process of
its own does it, the guard. It reads from a pipe to which each part writes the number of its process group before it
becomes that part. Only the starting process keeps the pipe open, so the end of the pipe's contents is the end of that
process. ``tests/integration/test_guard.py`` and ``test_command.py`` hold this.

The guard runs this file as a script, which needs nothing but the standard library, and so starts at once.
"""

import os
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

#: How long parts have to end after SIGTERM, and how long to wait for what SIGKILL ends, in seconds.
TERM_SECONDS, KILL_SECONDS = 5.0, 2.0
#: How often the guard looks for groups that have ended, in seconds.
CHECK_EVERY = 1.0

#: A shell announces its process group on standard input, the pipe, and then becomes the part. The pipe has ended only
#: when the shell has closed it too, so no moment exists in which a part runs and the guard cannot know of it.
_ANNOUNCE = 'echo "$$" >&0 && exec "$@" </dev/null'


@contextmanager
def guarded(folder: Path) -> Iterator[int]:
    """Run a guard; give the pipe (a file descriptor) on which ``announced`` commands announce themselves.

    At the end of the block the guard ends all parts that are still there, and removes the folder.
    """
    with subprocess.Popen(  # noqa: S603 - our own file
        [sys.executable, "-I", __file__, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd="/",
        start_new_session=True,  # the terminal's signals do not reach it
    ) as guard:
        assert guard.stdin  # noqa: S101 - for mypy: it is a pipe
        yield guard.stdin.fileno()


def announced(command: list[str]) -> list[str]:
    """Give the command that announces itself, with the pipe as its standard input and a session of its own."""
    return ["/bin/sh", "-c", _ANNOUNCE, "sh", *command]


def groups_left(pipe: int, lives: Callable[[int], bool]) -> set[int]:
    """Read announcements until the pipe has ended; give the groups that live then.

    A group that has ended is struck off soon, as the kernel may give its number to a stranger later: not before it
    has given out all other numbers, which takes longer than ``CHECK_EVERY``.
    """
    groups: set[int] = set()
    unread = b""
    while True:
        if select.select([pipe], [], [], CHECK_EVERY)[0]:
            data = os.read(pipe, 4096)
            if not data:
                return {group for group in groups if lives(group)}
            *lines, unread = (unread + data).split(b"\n")
            groups |= {int(line) for line in lines}
        groups = {group for group in groups if lives(group)}


def end(groups: set[int]) -> None:
    """End process groups: ask first, and make those end that have not after ``TERM_SECONDS``."""
    for asked, patience in ((signal.SIGTERM, TERM_SECONDS), (signal.SIGKILL, KILL_SECONDS)):
        for group in groups:
            with suppress(OSError):
                os.killpg(group, asked)
        give_up_at = time.monotonic() + patience
        while (groups := {group for group in groups if _lives(group)}) and time.monotonic() < give_up_at:
            time.sleep(0.05)


def _lives(group: int) -> bool:
    """Tell whether any process of the group is there. One that we may not signal is not ours."""
    try:
        os.killpg(group, 0)
    except OSError:
        return False
    return True


def _guard(folder: str) -> None:
    end(groups_left(sys.stdin.fileno(), _lives))
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    _guard(sys.argv[1])
