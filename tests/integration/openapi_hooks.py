"""Rules for bodies that a JSON schema cannot express. ``test_openapi.py`` has schemathesis load them."""

import schemathesis


@schemathesis.hook
def filter_body(_: schemathesis.HookContext, body: object) -> bool:
    """Leave out bodies with the same task id in several places.

    They are taken (``tests/unit/callbacks/test_envelope.py``), but a schema cannot say that two values are equal.
    """
    if not isinstance(body, dict):
        return True
    data = body.get("data")
    places = [body, data] if isinstance(data, dict) else [body]
    ids = [place[name] for place in places for name in ("task_id", "taskId") if isinstance(place.get(name), str)]
    used = [each for each in ids if each]
    return len(used) == len(set(used))
