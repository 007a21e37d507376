"""Child processes: each with a log file, ended in the reverse order of their start, even if this process is killed."""

import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from app.embedded.guard import announced, guarded


class StartError(Exception):
    """A process did not start. The message says which one and why."""


@dataclass
class Process:
    """One child process and its log."""

    name: str
    popen: "subprocess.Popen[bytes]"
    log: Path

    @property
    def pid(self) -> int:
        """Its process id."""
        return self.popen.pid

    def tail(self, lines: int = 15) -> str:
        """Give the last lines of its log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def stop(self, patience: float = 10.0) -> None:
        """End it by SIGTERM, and by SIGKILL after ``patience`` seconds."""
        if self.popen.poll() is None:
            self.popen.send_signal(signal.SIGTERM)
            try:
                self.popen.wait(patience)
            except subprocess.TimeoutExpired:
                self.kill()

    def kill(self) -> None:
        """End it and all processes that it started by SIGKILL."""
        with suppress(ProcessLookupError):
            os.killpg(self.popen.pid, signal.SIGKILL)
        self.popen.wait()


@dataclass
class ProcessGroup:
    """Processes that end together, with their logs in ``directory``."""

    directory: Path
    environment: Mapping[str, str]
    guard: int
    """The pipe on which each process announces itself to the guard."""
    processes: list[Process] = field(default_factory=list)

    def start(self, name: str, command: list[str], *, environment: Mapping[str, str] | None = None) -> Process:
        """Start a command in a session of its own, so that Ctrl-C reaches only this process, which ends the others."""
        path = self.directory / f"{name}.log"
        with path.open("ab") as log:
            popen = subprocess.Popen(  # noqa: S603 - commands of our own
                announced(command),
                stdin=self.guard,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**self.environment, **(environment or {})},
                cwd=self.directory,
                start_new_session=True,
            )
        process = Process(name, popen, path)
        self.processes.append(process)
        return process

    def stop(self) -> None:
        """End all of them, the last started first."""
        for process in reversed(self.processes):
            process.stop()
        self.processes.clear()


@contextmanager
def process_group(environment: Mapping[str, str]) -> Iterator[ProcessGroup]:
    """Make a group in a temporary folder of its own; end its processes and remove the folder afterwards.

    The guard does so if this process is killed, or interrupted while it cleans up.
    """
    with ExitStack() as ends:
        # If the clean-up is interrupted, processes still write to the folder. The guard removes it then.
        folder = tempfile.TemporaryDirectory(prefix="stemvault-", ignore_cleanup_errors=True)
        directory = Path(ends.enter_context(folder))
        group = ProcessGroup(directory, environment, ends.enter_context(guarded(directory)))
        try:
            yield group
        finally:
            group.stop()


def free_port() -> int:
    """Find a TCP port of the loopback interface that is not in use."""
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until(condition: Callable[[], object], what: str, process: Process, *, patience: float = 30.0) -> None:
    """Wait until the condition is truthy and raises nothing, at most ``patience`` seconds.

    ``what`` completes the message "<process> failed to …". Raises ``StartError`` with the end of its log.
    """
    give_up_at = time.monotonic() + patience
    while time.monotonic() < give_up_at:
        if process.popen.poll() is not None:
            break
        with suppress(Exception):
            if condition():
                return
        time.sleep(0.05)
    raise StartError(f"{process.name} failed to {what}. The end of its log:\n{process.tail()}")
