"""``POST /provider/<path>``: submit a task through Stemvault, so that it is watched from the beginning.

Check the request → make sure that the task can be kept, and wait for a turn → add our callback URL and forward →
have the new task watched → give the provider's answer as it came. The provider's key replaces the caller's token.
"""

import json
from collections.abc import Callable
from contextvars import copy_context
from dataclasses import dataclass
from typing import Any

import structlog
from flask import Blueprint, Response

from app.console.keeping import Keeping
from app.console.paths import SUBMISSIONS, Submission
from app.ingress.bodies import check_content_type, read_body
from app.ingress.refusals import RefusedError
from config.settings import PREFIX, Settings
from workers.callbacks import parse_body, task_id_of
from workers.callbacks.envelope import code_of
from workers.connections.bounded import Bounded
from workers.errors import UnreadableCallbackError
from workers.provider.client import ProviderClient
from workers.provider.errors import ProviderError, WrongKeyError, refusal

log = structlog.get_logger()

#: Tells in an answer where the new task is kept: ``redis``, ``inbox``, ``no``, or ``no_task`` if the answer names none.
WATCHED_HEADER = "X-Stemvault-Watched"
#: The most seconds of one submission, and how many may be under way. Its steps take 35 s at most.
_SECONDS, _AT_ONCE = 60.0, 64


@dataclass(frozen=True)
class _Answer:
    """The provider's answer, and where the new task is kept."""

    status: int
    content_type: str
    body: bytes
    watched: str


def blueprint(settings: Settings, provider: ProviderClient | None, keeping: Keeping) -> Blueprint:
    """Make the route that forwards submissions."""
    routes = Blueprint("submissions", __name__)
    running = Bounded(_SECONDS, at_once=_AT_ONCE)

    @routes.post("/provider/<path:path>")
    def submit(path: str) -> Response:
        submission = SUBMISSIONS.get(path)
        if submission is None:
            known = ", ".join(SUBMISSIONS)
            raise RefusedError(404, "unknown_path", f"This path is not forwarded. The paths are: {known}.")
        callback_url = _callback_url(settings)
        check_content_type()
        fields = _read_fields(read_body(settings.max_callback_bytes))
        if provider is None:  # _callback_url has refused; for the type checker
            raise RefusedError(409, "not_configured", "The provider is not configured.")
        body = json.dumps(fields | {submission.callback_field: callback_url}).encode()
        answer = _run(running, lambda: _submit(provider, keeping, path, submission, body))
        return Response(
            answer.body,
            status=answer.status,
            content_type=answer.content_type,
            headers={WATCHED_HEADER: answer.watched},
        )

    return routes


def _callback_url(settings: Settings) -> str:
    """Give the URL to which the provider calls back. Raises ``RefusedError`` (409) if a setting is missing."""
    missing = [*settings.missing_for_provider, *([] if settings.public_url else [f"{PREFIX}PUBLIC_URL"])]
    if missing:
        raise RefusedError(409, "not_configured", f"To submit through Stemvault, set {' and '.join(missing)}.")
    url = f"{settings.public_url.rstrip('/')}/callbacks"
    return f"{url}/{settings.callback_token.get_secret_value()}" if settings.callback_token else url


def _read_fields(body: bytes) -> dict[str, Any]:
    try:
        return parse_body(body)
    except UnreadableCallbackError as error:
        raise RefusedError(400, "bad_json", f"Send the provider's parameters: {error}.") from None


def _run(running: Bounded, work: Callable[[], _Answer]) -> _Answer:
    """Run a submission in a thread of its own: if the server ends the request, the new task is kept all the same.

    The test is ``test_a_task_is_kept_also_if_its_request_has_ended_before_the_provider_answers``.
    """
    context = copy_context()
    try:
        return running.call(lambda: context.run(work))
    except OSError as error:
        log.error("submission_not_finished", error=type(error).__name__)  # noqa: TRY400 - the kind is enough
        raise RefusedError(
            504, "not_finished", "The submission did not end in time. The provider may have taken it."
        ) from None


def _submit(provider: ProviderClient, keeping: Keeping, path: str, submission: Submission, body: bytes) -> _Answer:
    sent_at = keeping.wait_for_turn()
    try:
        status, headers, content = provider.submit(path, body)
    except ProviderError as error:
        log.warning("submission_failed", path=path, reason=error.reason, detail=error.detail)
        raise RefusedError(
            502,
            error.reason,
            f"The provider gave no usable answer ({error.detail}). It may have taken the request: its callback is "
            "archived then. Sending it again can make a second task.",
        ) from None
    payload = _payload(content)
    _pause_after_wrong_key(keeping, payload, status, sent_at)
    watched = _keep(keeping, path, submission, payload)
    return _Answer(status, headers.get("Content-Type", "application/octet-stream"), content, watched)


def _payload(content: bytes) -> dict[str, Any]:
    try:
        return parse_body(content)
    except UnreadableCallbackError:
        return {}


def _pause_after_wrong_key(keeping: Keeping, payload: dict[str, Any], status: int, sent_at: float | None) -> None:
    """Pause all requests if the provider does not accept the key. Other refusals concern the submission alone."""
    code = code_of(payload)
    error = refusal(status if code is None else code)
    if isinstance(error, WrongKeyError):
        keeping.pause(error, sent_at=sent_at)


def _keep(keeping: Keeping, path: str, submission: Submission, payload: dict[str, Any]) -> str:
    """Have the task of an answer watched, if it names one: also beside a refusal, as the task exists then."""
    code = code_of(payload)
    try:
        task_id = task_id_of(payload)
    except UnreadableCallbackError:
        log.warning("submission_made_no_task", path=path, code=code)
        return "no_task"
    watched = keeping.keep(task_id, submission.family)
    log.info("task_submitted", path=path, task_id=task_id, family=submission.family, watched=watched, code=code)
    return watched
