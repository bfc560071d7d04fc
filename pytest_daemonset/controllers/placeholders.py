"""What stands in braces in a command: filled in, or refused if it is nothing that we know."""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from pytest_daemonset.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

KNOWN: Final[Mapping[str, str]] = MappingProxyType(
    {
        "kubeconfig": "the path of its kubeconfig",
        "replica": "its number, from 0",
        "identity": "a name of its own, for its Lease",
    }
)
_NAME = re.compile(r"(?<![{$])\{([A-Za-z_]\w*)\}(?!\})")
"""One word in braces. JSON has quotes in them, Go templates and f-strings two of them, a shell's variable a dollar before."""


def check(text: str, told: str, known: Iterable[str] = KNOWN) -> None:
    """Refuse what looks like a placeholder and is none.

    Args:
        text: a command, a URL.
        told: how the error calls the text.
        known: the names that may stand there.

    Raises:
        UsageError: the text has another one; the known ones are named.
    """
    names = tuple(known)
    for name in _NAME.findall(text):
        if name not in names:
            there = ", ".join(f"{{{one}}} ({KNOWN[one]})" for one in names)
            raise UsageError(
                f"{told}: there is no placeholder {{{name}}}; there is {there}. Braces that are meant for the program belong into "
                "a file or an environment variable"
            )


def fill(text: str, values: Mapping[str, str]) -> str:
    """Put values for the names in braces; everything else stays as it is."""
    return _NAME.sub(lambda found: values.get(found[1], found[0]), text)
