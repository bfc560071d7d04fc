"""matchConditions, of policies and of webhooks: whether a write is one that they mean."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_daemonset.embedded.cel import CelError, compiled

if TYPE_CHECKING:
    from collections.abc import Mapping

Object = dict[str, Any]


def judge(owner: Object, names: frozenset[str], scope: Mapping[str, Any]) -> tuple[bool, list[tuple[Object, CelError]]]:
    """Evaluate conditions until one is false: then it does not matter that others have no value.

    Args:
        owner: has `matchConditions`, or none.
        names: the variables that they can speak of.
        scope: their values.

    Returns:
        Whether none is false, and which have no value.
    """
    failed = []
    for each in owner.get("matchConditions") or ():
        try:
            if not compiled(each["expression"], names).truth(scope):
                return False, []
        except CelError as error:
            failed.append((each, error))
    return True, failed
