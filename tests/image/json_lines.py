"""Exits with 0 if every line of standard input is a JSON object; else reports how many are not, and the first one."""

import json
import sys


def _is_json_object(line: str) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False


lines = sys.stdin.read().splitlines()
others = [line for line in lines if not _is_json_object(line)]
if others:
    sys.exit(f"{len(others)} of {len(lines)} lines are not, such as: {others[0]}")
