"""What the contract says of each row: read from the docstrings of its tests, which hold it and nothing else does."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from pytest_daemonset.report.conformance import ContractText

if TYPE_CHECKING:
    from collections.abc import Mapping

_HERE: Final = Path(__file__).parent
_PART: Final = re.compile(r"\b(Source|Catches|Trap): ")
_TEST: Final = re.compile(r"test_([A-Z]+)_(\d+)_")


def parted(test: str, docstring: str) -> ContractText:
    """A docstring of a row's test, as its parts.

    Args:
        test: the test's name.
        docstring: what is promised, then ``Source:``, ``Catches:`` and ``Trap:``, in any order.
    """
    promise, *rest = _PART.split(" ".join(docstring.split()))
    parts = dict(zip(rest[::2], map(str.strip, rest[1::2]), strict=True))
    return ContractText(test, promise.strip(), parts.get("Source", ""), parts.get("Catches", ""), parts.get("Trap", ""))


@cache
def contract_texts() -> Mapping[str, tuple[ContractText, ...]]:
    """What the contract says, by the id of the row: one text a test, in the order in which they stand."""
    found: dict[str, list[ContractText]] = {}
    for path in sorted(_HERE.glob("test_*.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef) and (match := _TEST.match(node.name)):
                text = parted(node.name, ast.get_docstring(node) or "")
                found.setdefault(f"{match[1]}-{match[2]}", []).append(text)
    return MappingProxyType({row: tuple(texts) for row, texts in found.items()})
