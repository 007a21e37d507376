"""The text of each fault in the settings: the variable's name and what to write, in our words and not in pydantic's."""

from typing import Any, get_args

from pydantic import BaseModel, ByteSize, ValidationError

_MIB = 1024**2

#: What to write, by pydantic's name of the fault (https://docs.pydantic.dev/latest/errors/validation_errors/). The
#: fields in braces are pydantic's too. ``test_no_fault_is_told_in_the_words_of_pydantic`` tries every setting.
_TEXTS = {
    "bool_parsing": "write true or false",
    "byte_size": "write a number of bytes, or a number with KiB, MiB or GiB, for example 8MiB",
    "byte_size_unit": "write a number of bytes, or a number with KiB, MiB or GiB, for example 8MiB",
    "greater_than": "must be more than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "int_from_float": "write a whole number, without a decimal point",
    "int_parsing": "write a whole number, without a unit",
    "int_parsing_size": "write a smaller whole number",
    "less_than_equal": "must be at most {le}",
    "literal_error": "write {expected}",
    "string_too_long": "must have at most {max_length} characters",
    "string_too_short": "must have at least {min_length} characters",
}


def faults_of(error: ValidationError, settings: type[BaseModel], prefix: str) -> list[str]:
    """Give a line for each fault that pydantic found in ``settings``, whose variables begin with ``prefix``.

    No line contains the faulty value, which can be a secret.
    """
    return [_fault(dict(each), settings, prefix) for each in error.errors(include_url=False, include_input=False)]


def _fault(detail: dict[str, Any], settings: type[BaseModel], prefix: str) -> str:
    if not detail["loc"]:
        return _text(detail, None)
    name = str(detail["loc"][0])
    field = settings.model_fields[name]
    variable = prefix + name.upper()
    if detail["type"] == "missing":
        return f"{variable} is not set; set it, for example to {(field.examples or [''])[0]}"
    return f"{variable}: {_text(detail, field.annotation)}"


def _text(detail: dict[str, Any], kind: object) -> str:
    text = _TEXTS.get(detail["type"])
    if text is None:
        return str(detail["msg"]).removeprefix("Value error, ")
    return text.format(**{name: _shown(limit, kind) for name, limit in detail.get("ctx", {}).items()})


def _shown(limit: object, kind: object) -> str:
    """Write a limit with the unit of the setting: bytes of a size, seconds of a duration."""
    if not isinstance(limit, int | float):
        return str(limit)
    if _has(kind, ByteSize):
        return f"{limit / _MIB:g} MiB ({limit} bytes)" if limit >= _MIB else f"{limit} bytes"
    return f"{limit:g} seconds" if _has(kind, float) else f"{limit}"


def _has(kind: object, wanted: type) -> bool:
    """Tell whether a setting's type is ``wanted``, or may be, as in ``Annotated[ByteSize, …] | None``."""
    return kind is wanted or any(_has(part, wanted) for part in get_args(kind))
