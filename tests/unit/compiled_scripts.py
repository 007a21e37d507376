"""fakeredis's Lua in less than half the time: a script is compiled once, and looked at for globals once a run.

fakeredis 2.40 compiles a script at each run, and looks for new globals at each command in it.
"""

from collections.abc import Callable
from typing import Any

from fakeredis.commands_mixins import scripting_mixin

_fake: Any = scripting_mixin
_Runtime: Any = _fake.LUA_MODULE.LuaRuntime
_check_globals = _fake._check_for_lua_globals  # noqa: SLF001 - see above


class Compiling(_Runtime):  # type: ignore[misc]  # lupa ships no types
    """A Lua state that keeps what it has compiled (`test_a_script_is_compiled_once`)."""

    def __init__(self, *_: object, **__: object) -> None:
        self.compiled: dict[bytes | str, Callable[..., object]] = {}
        self.runs = False

    def execute(self, script: bytes | str, *args: object) -> object:
        if script not in self.compiled:
            self.compiled[script] = self.compile(script)
        self.runs = True
        try:
            return self.compiled[script](*args)
        finally:
            self.runs = False


def _check_globals_at_the_end(state: Compiling, expected: set[Any]) -> None:
    """Look for globals when the script has run (`test_a_script_that_sets_a_global_is_refused`)."""
    if not state.runs:
        _check_globals(state, expected)


def compile_scripts_once() -> None:
    """Have every fakeredis of this process keep its compiled scripts."""
    _fake.LUA_MODULE.LuaRuntime = Compiling
    _fake._check_for_lua_globals = _check_globals_at_the_end  # noqa: SLF001 - see above
