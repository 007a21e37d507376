"""The ``stemvault`` command. Each subcommand unwraps its arguments and calls one function."""

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

from app.cli.demo import run_demo
from app.cli.doctor.fleet import examine, examine_as_json, told, unknown_variables
from app.cli.policy import least_policy
from app.cli.replay import replay, replay_unrecognized
from app.cli.retry import retry_task
from app.cli.status import show_context, show_task
from app.cli.up import stay_up
from app.embedded.processes import StartError
from app.embedded.stack import embedded_stack
from config.settings import SettingsError, load_settings
from workers.errors import StemvaultError, TransientError
from workers.ledger.connection import open_ledger
from workers.liveness.signs_of_life import CLOCK, WORKER, SignsOfLife

#: Where there is no terminal to ask for its width, wide enough that keys stand on one line.
_WIDTH_OF_FILES = 180

console = Console(width=None if sys.stdout.isatty() else _WIDTH_OF_FILES)


def _plain_errors(command: Callable[..., None]) -> Callable[..., None]:
    """Tell an error that we know in one message, without a traceback."""

    @wraps(command)
    def wrapped(*args: object, **kwargs: object) -> None:
        try:
            command(*args, **kwargs)
        except TransientError as error:
            bucket = load_settings().s3_bucket
            raise click.ClickException(f"Bucket {bucket}: {error}. 'stemvault doctor' tells more.") from None
        except (SettingsError, StartError, StemvaultError) as error:
            raise click.ClickException(str(error)) from None
        except RedisError as error:
            raise click.ClickException(
                f"{told(error, load_settings().redis_address)} 'stemvault doctor' tells more."
            ) from None
        except BotoCoreError as error:
            raise click.ClickException(f"AWS settings: {error}") from None

    return wrapped


@click.group()
@click.version_option(package_name="stemvault")
@click.pass_context
def main(context: click.Context) -> None:
    """Save every file that a music provider's callbacks name into your S3 bucket."""
    if context.invoked_subcommand != "doctor":  # which tells it among its findings
        for finding in unknown_variables():
            click.echo(f"{finding.what}. {finding.advice}", err=True)
    _end_in_order_on(signal.SIGTERM)
    _end_in_order_on(signal.SIGHUP)


def _end_in_order_on(number: signal.Signals) -> None:
    """Exit as shells tell of this signal, and clean up on the way; under nohup SIGHUP stays ignored."""
    if signal.getsignal(number) is not signal.SIG_IGN:
        signal.signal(number, lambda *_: sys.exit(128 + number))


@main.command()
@_plain_errors
def demo() -> None:
    """Run the main job on embedded parts and compare the bucket with the source."""
    sys.exit(0 if run_demo(console) else 1)


@main.command()
@click.option(
    "--port",
    type=click.IntRange(1, 65535),
    default=8000,
    show_default=True,
    help="Where the ingress listens, on 127.0.0.1.",
)
@_plain_errors
def up(port: int) -> None:
    """Stay up on embedded defaults until Ctrl-C."""
    stay_up(console, port, embedded_stack)


@main.command()
@click.option("--policy", is_flag=True, help="Print the least IAM policy that Stemvault needs, and examine nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
@_plain_errors
def doctor(*, policy: bool, as_json: bool) -> None:
    """Check settings, broker and bucket, and say how to mend what is wrong."""
    if as_json:
        findings, healthy = examine_as_json()
        click.echo(findings)
        sys.exit(0 if healthy else 1)
    if policy:
        click.echo(json.dumps(least_policy(load_settings()), indent=2))
        return
    sys.exit(0 if examine(console) else 1)


@main.command()
@click.argument("task", required=False)
@_plain_errors
def status(task: str | None) -> None:
    """Show what is in flight, or all that is known of one TASK."""
    settings = load_settings()
    found = show_task(console, settings, task) if task else show_context(console, settings)
    sys.exit(0 if found else 1)


@main.command(name="replay")
@click.argument("files", nargs=-1)
@click.option("--unrecognized", is_flag=True, help="Take in all that lies in the bucket's _unrecognized/.")
@_plain_errors
def replay_files(files: tuple[str, ...], *, unrecognized: bool) -> None:
    """Take in callbacks from FILES, each the body of one, as if the provider had sent them now.

    A FILE that begins with _unrecognized/ is looked for in the bucket, and deleted there when a worker has recorded it.
    """
    if bool(files) == unrecognized:
        raise click.UsageError("name FILES, or give --unrecognized alone")
    settings = load_settings()
    sys.exit(0 if (replay_unrecognized(console, settings) if unrecognized else replay(console, settings, files)) else 1)


@main.command()
@click.argument("role", type=click.Choice([WORKER, CLOCK]))
@_plain_errors
def alive(role: str) -> None:
    """Tell by the exit status whether this host's worker or clock has given a sign of life; for health checks."""
    there = SignsOfLife(open_ledger(load_settings()).redis).there(role)
    mine = [name for name in there if name.rpartition(":")[0] == socket.gethostname()]
    click.echo(f"{len(mine)} here, {len(there)} in all")
    sys.exit(0 if mine else 1)


@main.command()
@click.argument("task")
@click.argument("asset", required=False)
@_plain_errors
def retry(task: str, asset: str | None) -> None:
    """Try again what was given up of TASK: one ASSET (as status names it), or all of them."""
    sys.exit(0 if retry_task(console, load_settings(), task, asset) else 1)
