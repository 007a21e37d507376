"""Ends the embedded processes and removes their folder when the process that started them has ended in any way.

That process cannot always clean up: it may be killed, its terminal may be closed, or a second Ctrl-C may interrupt it.
So another process does it, the guard. It reads from a pipe to which each process writes the number of its process group
before it starts. Only the starting process keeps the pipe open, so the guard reads the end of the pipe when that
process has ended. Held by ``test_however_up_ends_no_process_and_no_folder_is_left``.

The guard runs this file as a script, which imports only the standard library and so starts fast.
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

#: Seconds to wait for processes to end after SIGTERM, and then after SIGKILL.
TERM_SECONDS, KILL_SECONDS = 5.0, 2.0
#: Seconds between two looks for groups that have ended.
CHECK_EVERY = 1.0

#: A shell announces its process group on standard input, the pipe, and then executes the command in its place. The
#: shell keeps the pipe open until then, so the guard knows of every process that runs.
_ANNOUNCE = 'echo "$$" >&0 && exec "$@" </dev/null'


@contextmanager
def guarded(folder: Path) -> Iterator[int]:
    """Run a guard; give the pipe (a file descriptor) on which ``announced`` commands announce themselves.

    At the end of the block the guard ends all processes that still run, and removes the folder.
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
    """Give the command that announces itself. Start it with the pipe as standard input, in a session of its own."""
    return ["/bin/sh", "-c", _ANNOUNCE, "sh", *command]


def groups_left(pipe: int, lives: Callable[[int], bool]) -> set[int]:
    """Read announcements until the pipe has ended; give the groups that live then.

    A group that has ended is removed within ``CHECK_EVERY`` seconds, because the kernel may give its number to another
    process later. The kernel gives out all other numbers first, which takes longer than that.
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
    """End process groups by SIGTERM, and by SIGKILL those that still live after ``TERM_SECONDS``."""
    for asked, patience in ((signal.SIGTERM, TERM_SECONDS), (signal.SIGKILL, KILL_SECONDS)):
        for group in groups:
            with suppress(OSError):
                os.killpg(group, asked)
        give_up_at = time.monotonic() + patience
        while (groups := {group for group in groups if _lives(group)}) and time.monotonic() < give_up_at:
            time.sleep(0.05)


def _lives(group: int) -> bool:
    """Tell whether a process of the group lives. A group that may not be signalled is not one of ours."""
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
