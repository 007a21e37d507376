"""Writes the body of an answer as JSON text that ``workers.callbacks`` reads."""

import json
import math
from typing import Any


def text_of(body: dict[str, Any]) -> str:
    """Write a body as JSON, in ASCII: a text in it can hold half of a surrogate pair, which UTF-8 cannot write.

    A number that JSON cannot write becomes null: Python reads ``1e999`` as infinite.
    """
    try:
        return json.dumps(body, allow_nan=False)
    except ValueError:
        return json.dumps(_finite(body))


def _finite(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, list):
        return [_finite(inner) for inner in value]
    if isinstance(value, dict):
        return {name: _finite(inner) for name, inner in value.items()}
    return value
