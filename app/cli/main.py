"""The entry point of ``stemvault``. It imports the subcommands in such a way that Ctrl-C then prints no traceback."""

import signal


def main() -> None:
    """Import the subcommands, which takes about a second, and run the one that the command line names.

    During the import SIGINT ends the process at once and without a message, unless the caller has it ignored.
    """
    interruptible = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if interruptible:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from app.cli.commands import stemvault  # noqa: PLC0415 - see above

    if interruptible:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    stemvault()
