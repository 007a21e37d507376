"""The entry point of ``stemvault``: Ctrl-C during the import of the subcommands."""

import signal
import subprocess
import sys

import pytest

#: Stands in for the import of the subcommands, which takes a second, and then for the subcommand that is run.
_SLOW_IMPORT = """
import sys, time, types
import app.cli.main
class Commands(types.ModuleType):
    def __getattr__(self, name):
        print("importing", flush=True)
        time.sleep({importing})
        return lambda: (print("running", flush=True), time.sleep(30))
sys.modules["app.cli.commands"] = Commands("app.cli.commands")
app.cli.main.main()
"""


def interrupted(program: str, line: str) -> tuple[int, str]:
    """Interrupt the program when it has printed the line; give its exit status and its standard error."""
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        assert process.stderr
        while process.stdout.readline().strip() != line:
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        return process.wait(20), process.stderr.read()


def test_ctrl_c_during_the_imports_ends_the_command_without_a_traceback() -> None:
    assert interrupted(_SLOW_IMPORT.format(importing=30), "importing") == (-signal.SIGINT, "")


def test_ctrl_c_after_the_imports_is_left_to_the_subcommand() -> None:
    _, told = interrupted(_SLOW_IMPORT.format(importing=0), "running")
    assert "KeyboardInterrupt" in told


@pytest.mark.parametrize("module", ["flask", "click", "redis", "boto3", "pydantic"])
def test_the_entry_point_imports_nothing_slow_before_ctrl_c_is_handled(module: str) -> None:
    program = f"import sys, app.cli.main; sys.exit({module!r} in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
