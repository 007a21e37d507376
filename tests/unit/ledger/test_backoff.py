import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.ledger.backoff import ATTEMPTS, FIRST_DELAY, MAX_DELAY, GiveUp, Retry, next_step

NOW = 1_800_000_000.0
DAY = 86400.0

reasons = st.sampled_from([*ATTEMPTS, "stalled", "origin_error", "rate_limited", "store_unavailable"])


@pytest.mark.slow
@given(
    reasons,
    st.integers(1, 10_000),
    st.floats(-10, 30 * DAY),
    st.floats(0, 1, exclude_max=True),
    st.none() | st.floats(0, 1e9),
)
def test_the_next_attempt_is_later_than_now_and_never_past_the_deadline(
    reason: str, streak: int, left: float, random: float, retry_after: float | None
) -> None:
    step = next_step(reason, streak, deadline=NOW + left, now=NOW, random=random, retry_after=retry_after)
    if isinstance(step, Retry):
        assert NOW < step.at <= NOW + left
    else:
        assert step.state == ("rejected" if streak >= ATTEMPTS.get(reason, streak + 1) else "expired")


def delays(reason: str, *, random: float = 0.0) -> list[float]:
    steps = [next_step(reason, streak, deadline=NOW + 99 * DAY, now=NOW, random=random) for streak in range(1, 20)]
    return [step.at - NOW for step in steps if isinstance(step, Retry)]


def test_a_missing_file_is_retried_for_about_an_hour_and_then_rejected() -> None:
    assert 3600 <= sum(delays("gone")) <= 1.3 * 3600
    assert next_step("gone", ATTEMPTS["gone"], deadline=NOW + DAY, now=NOW, random=0) == GiveUp("rejected")


def test_everything_else_is_tried_until_the_deadline() -> None:
    assert isinstance(next_step("store_unavailable", 5000, deadline=NOW + DAY, now=NOW, random=0), Retry)
    assert next_step("store_unavailable", 1, deadline=NOW, now=NOW, random=0) == GiveUp("expired")


def test_delays_grow_and_jitter_only_adds() -> None:
    plain, jittered = delays("stalled"), delays("stalled", random=0.99)
    assert plain[:4] == [FIRST_DELAY, 2 * FIRST_DELAY, 4 * FIRST_DELAY, 8 * FIRST_DELAY]
    assert plain[8:] == [MAX_DELAY] * 11
    assert all(0 < more - less <= 0.25 * less for less, more in zip(plain, jittered, strict=True))


def test_a_retry_after_header_sets_the_time_of_the_next_attempt() -> None:
    step = next_step("rate_limited", 1, deadline=NOW + DAY, now=NOW, random=0, retry_after=7200)
    assert step == Retry(NOW + 7200)


def test_a_retry_after_beyond_the_deadline_gives_one_attempt_before_the_deadline() -> None:
    step = next_step("rate_limited", 1, deadline=NOW + 600, now=NOW, random=0, retry_after=7200)
    assert step == Retry(NOW + 540)
