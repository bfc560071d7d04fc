"""What is wrong with one field of an object: the cause of a 422."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

Reason = Literal[
    "FieldValueRequired",
    "FieldValueInvalid",
    "FieldValueNotSupported",
    "FieldValueDuplicate",
    "FieldValueForbidden",
    "FieldValueNotFound",
    "FieldValueTooLong",
    "FieldValueTooMany",
    "FieldValueTypeInvalid",
]


class FieldError(NamedTuple):
    """One cause of a 422 Status, as `details.causes` tells it."""

    reason: Reason
    field: str
    message: str

    def cause(self) -> dict[str, Any]:
        """The entry in `details.causes`."""
        return {"reason": self.reason, "message": self.message, "field": self.field}


class DecodeError(ValueError):
    """A known field holds a value of another type; the server answers 400 BadRequest with this text."""


def required(field: str, message: str = "") -> FieldError:
    """A field that must be there is not."""
    return FieldError("FieldValueRequired", field, f"Required value: {message}" if message else "Required value")


def invalid(field: str, value: Any, message: str) -> FieldError:
    """A value that no rule allows."""
    return FieldError("FieldValueInvalid", field, f"Invalid value: {_shown(value)}: {message}")


def not_supported(field: str, value: Any, supported: tuple[str, ...]) -> FieldError:
    """A value outside of a closed list."""
    listed = ", ".join(f'"{each}"' for each in supported)
    return FieldError(
        "FieldValueNotSupported", field, f"Unsupported value: {_shown(value)}: supported values: {listed}"
    )


def duplicate(field: str, value: Any) -> FieldError:
    """A value that may stand only once stands twice."""
    return FieldError("FieldValueDuplicate", field, f"Duplicate value: {_shown(value)}")


def forbidden(field: str, message: str) -> FieldError:
    """A field that may not be set, or not changed."""
    return FieldError("FieldValueForbidden", field, f"Forbidden: {message}")


def too_long(field: str, limit: int) -> FieldError:
    """A value that is longer than `limit` bytes."""
    return FieldError("FieldValueTooLong", field, f"Too long: may not be more than {limit} bytes")


def _shown(value: Any) -> str:
    import orjson

    return orjson.dumps(value).decode() if value is not None else "null"


class AdmissionError(ValueError):
    """An admission plug-in refuses the object; the server answers 403 Forbidden with this text."""
