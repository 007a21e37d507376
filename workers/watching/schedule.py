"""When the provider is asked about a task again, as a pure function of the watch's age."""

#: A task that has been watched for longer is asked about more rarely: after this share of its age.
_SHARE_OF_AGE = 1 / 20
#: Seconds between two requests about one task at most.
MAX_INTERVAL = 900.0


def next_interval(age: float, *, interval: float) -> float:
    """Give the seconds until the next request about a task that has been watched for ``age`` seconds.

    ``interval`` is the setting POLL_INTERVAL and the least; the provider's pages advise 30 s. With that, requests are
    30 s apart for ten minutes, 3 minutes apart after an hour, and 15 minutes apart after five hours.
    """
    return max(interval, min(age * _SHARE_OF_AGE, MAX_INTERVAL))
