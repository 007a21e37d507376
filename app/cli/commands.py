"""The subcommands of ``stemvault``, as click reads them. Each unwraps its arguments and calls one function."""

import json
import signal
import socket
import sys
from collections.abc import Callable
from functools import wraps

import click
from botocore.exceptions import BotoCoreError
from redis.exceptions import RedisError
from rich.console import Console

from app.cli.backfill.command import run_backfill
from app.cli.doctor.broker import redis_fault
from app.cli.doctor.examination import examine, examine_as_json
from app.cli.doctor.store.bucket import AWS_ADVICE
from app.cli.doctor.variables import unknown_variables
from app.cli.policy import least_policy
from app.cli.replay import replay, replay_unrecognized
from app.cli.retry import retry_task
from app.cli.status.overview import show_status, show_task
from app.cli.trials.demo import run_demo
from app.cli.trials.up import stay_up
from app.cli.watch import watch_tasks
from app.embedded.processes import StartError
from app.embedded.stack import embedded_stack
from config.settings import SettingsError, load_settings
from workers.errors import StemvaultError, TransientError
from workers.ledger.connection import open_ledger
from workers.liveness.signs_of_life import CLOCK, WORKER, SignsOfLife
from workers.provider.families import FAMILIES

#: Columns of output that does not go to a terminal: wide enough for a key on one line.
_WIDTH_OF_FILES = 180

console = Console(width=None if sys.stdout.isatty() else _WIDTH_OF_FILES)


def _plain_errors(command: Callable[..., None]) -> Callable[..., None]:
    """Print an expected error as one message, without a traceback."""

    @wraps(command)
    def wrapped(*args: object, **kwargs: object) -> None:
        try:
            command(*args, **kwargs)
        except TransientError as error:
            bucket = load_settings().s3_bucket
            raise click.ClickException(f"Bucket {bucket}: {error}. Run 'stemvault doctor' to find the cause.") from None
        except (SettingsError, StartError, StemvaultError) as error:
            raise click.ClickException(str(error)) from None
        except RedisError as error:
            raise click.ClickException(
                f"{redis_fault(error, load_settings().redis_address)} Run 'stemvault doctor' to find the cause."
            ) from None
        except BotoCoreError as error:
            raise click.ClickException(f"AWS settings: {str(error).rstrip('.')}. {AWS_ADVICE}") from None

    return wrapped


def _family_option(text: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    return click.option("--family", type=click.Choice(list(FAMILIES), case_sensitive=False), default=None, help=text)


@click.group()
@click.version_option(package_name="stemvault")
@click.pass_context
def stemvault(context: click.Context) -> None:
    """Save every file that a music provider's callbacks name into your S3 bucket."""
    if context.invoked_subcommand != "doctor":  # doctor has them among its findings
        for finding in unknown_variables():
            click.echo(f"{finding.what}. {finding.advice}", err=True)
    _exit_on(signal.SIGTERM)
    _exit_on(signal.SIGHUP)


def _exit_on(number: signal.Signals) -> None:
    """Clean up on this signal and exit with 128 + its number, as shells do; an ignored one (nohup) stays ignored."""
    if signal.getsignal(number) is not signal.SIG_IGN:
        signal.signal(number, lambda *_: sys.exit(128 + number))


@stemvault.command()
@_plain_errors
def demo() -> None:
    """Archive sample callbacks with embedded processes; check the bucket.

    Exit status 0: every file is in the bucket, byte for byte.
    """
    sys.exit(0 if run_demo(console) else 1)


@stemvault.command()
@click.option(
    "--port",
    type=click.IntRange(1, 65535),
    default=8000,
    show_default=True,
    help="Port of the ingress, on 127.0.0.1.",
)
@click.option("--provider", is_flag=True, help="Run a fake provider too, which takes tasks and sends callbacks.")
@_plain_errors
def up(port: int, *, provider: bool) -> None:
    """Run everything with embedded Redis and S3, until Ctrl-C.

    For trials: the bucket is in memory and ends with the command. Your other STEMVAULT_ settings apply.
    """
    stay_up(console, port, embedded_stack, provider=provider)


@stemvault.command()
@click.option("--policy", is_flag=True, help="Only print the least IAM policy that Stemvault needs.")
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
@_plain_errors
def doctor(*, policy: bool, as_json: bool) -> None:
    """Check settings, Redis, bucket and fleet; name the remedy of each fault.

    Exit status 0: Stemvault can run like this; there may be warnings.
    """
    if as_json:
        findings, healthy = examine_as_json()
        click.echo(findings)
        sys.exit(0 if healthy else 1)
    if policy:
        click.echo(json.dumps(least_policy(load_settings()), indent=2))
        return
    sys.exit(0 if examine(console) else 1)


@stemvault.command()
@click.argument("task", required=False)
@_plain_errors
def status(task: str | None) -> None:
    """Show queues, transfers and next steps, or one TASK."""
    settings = load_settings()
    found = show_task(console, settings, task) if task else show_status(console, settings)
    sys.exit(0 if found else 1)


@stemvault.command(name="replay")
@click.argument("files", nargs=-1)
@click.option("--unrecognized", is_flag=True, help="Replay all callbacks in the bucket's _unrecognized/.")
@_plain_errors
def replay_files(files: tuple[str, ...], *, unrecognized: bool) -> None:
    """Enqueue callbacks from FILES, as if the provider sent them now.

    Each file is the body of one callback.

    A FILE that begins with _unrecognized/ is read from the bucket, and deleted there when a worker has recorded it.
    """
    if bool(files) == unrecognized:
        raise click.UsageError("give either FILES or --unrecognized")
    settings = load_settings()
    sys.exit(0 if (replay_unrecognized(console, settings) if unrecognized else replay(console, settings, files)) else 1)


@stemvault.command()
@click.argument("role", type=click.Choice([WORKER, CLOCK]))
@_plain_errors
def alive(role: str) -> None:
    """Check that this host's worker or clock lives; for health checks.

    Exit status 0: at least one of this host sends heartbeats.
    """
    there = SignsOfLife(open_ledger(load_settings()).redis).there(role)
    mine = [name for name in there if name.rpartition(":")[0] == socket.gethostname()]
    click.echo(f"{len(mine)} on this host, {len(there)} in all")
    sys.exit(0 if mine else 1)


@stemvault.command()
@click.argument("task")
@click.argument("asset", required=False)
@_plain_errors
def retry(task: str, asset: str | None) -> None:
    """Retry assets of TASK that were given up or wait, or one ASSET.

    ASSET is a name that status shows, such as video.
    """
    sys.exit(0 if retry_task(console, load_settings(), task, asset) else 1)


@stemvault.command()
@click.argument("tasks", nargs=-1, required=True)
@_family_option("The kind of the tasks; by default it is found by asking.")
@_plain_errors
def watch(tasks: tuple[str, ...], *, family: str | None) -> None:
    """Have the provider asked about TASKS until they are settled.

    For submitted tasks, in case their callbacks do not come.

    TASKS - reads tasks from standard input, one a line, as JSON {"task_id": "…", "family": "…"}, CSV or bare ids.

    Exit status 0: all are watched, and the provider can be asked.
    """
    sys.exit(0 if watch_tasks(console, load_settings(), tasks, family=family or "") else 1)


@stemvault.command()
@click.argument("file")
@_family_option("The kind of tasks for which FILE names none; by default it is found by asking.")
@click.option("--report", type=click.Path(dir_okay=False), help="Write a line of JSON for each task, with its outcome.")
@_plain_errors
def backfill(file: str, *, family: str | None, report: str | None) -> None:
    """Archive the tasks in FILE that the provider still has.

    For tasks that were submitted before Stemvault was installed. FILE is CSV (task_id,family, with or without a
    header), JSON lines, or bare ids one a line; - reads standard input.

    The workers do the work. Stop it with Ctrl-C and run it again at any time: archived tasks are skipped.

    Exit status 0: nothing is missing. Tasks that failed at the provider have no files.
    """
    sys.exit(run_backfill(console, load_settings(), file, family=family or "", report=report))
