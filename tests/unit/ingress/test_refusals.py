from collections import Counter

from redis.exceptions import ConnectionError as RedisConnectionError

from app.ingress.refusals import RefusalCounter


def test_refusals_are_told_together_and_kept_while_redis_is_away() -> None:
    told: Counter[tuple[str, str]] = Counter()
    away = True

    def add(status: str, reason: str, number: int) -> None:
        if away:
            raise RedisConnectionError
        told[status, reason] += number

    counter = RefusalCounter(add)
    for _ in range(3):
        counter.count(401, "wrong_token")
    counter.flush()
    assert not told
    away = False
    counter.count(400, "bad_callback")
    counter.flush()
    assert told == {("401", "wrong_token"): 3, ("400", "bad_callback"): 1}
    counter.flush()
    assert sum(told.values()) == 4
