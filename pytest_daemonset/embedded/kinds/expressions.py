"""Expressions in CEL as fields hold them: of policies, of webhooks' conditions, of the rules of custom resources."""

from __future__ import annotations

from pytest_daemonset.embedded import statuses
from pytest_daemonset.embedded.cel import CelError, compiled
from pytest_daemonset.embedded.cel.program import NotImitatedError
from pytest_daemonset.embedded.kinds.fielderrors import FieldError, invalid, required


def check_expression(text: str, names: frozenset[str], path: str) -> list[FieldError]:
    """Tell what is wrong with an expression.

    Raises:
        StatusError: 501, it uses what is not imitated.
    """
    if not text.strip():
        return [required(path, "")]
    try:
        compiled(text, names)
    except NotImitatedError as error:
        raise statuses.not_imitated(str(error)) from None
    except CelError as error:
        return [invalid(path, text, f"compilation failed: ERROR: <input>: {error}")]
    return []
