"""Tables: columns, and the function that gives an object's cells; what meta.k8s.io/v1 Table says of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from pytest_daemonset.embedded.printers.ages import since

Object = dict[str, Any]
Cells = Callable[[Object, datetime], list[Any]]


class Column(NamedTuple):
    """One column; those of priority 1 are shown by `-o wide` only.

    Args:
        type: "string", "integer", "number", "boolean" or "date".
        format: "name" for the column of names.
    """

    name: str
    type: str = "string"
    priority: int = 0
    description: str = ""
    format: str = ""

    @property
    def definition(self) -> Object:
        """A TableColumnDefinition."""
        return {
            "name": self.name,
            "type": self.type,
            "format": self.format,
            "description": self.description or f"The column {self.name} of kubectl get.",
            "priority": self.priority,
        }


def _no_conditions(_: Object) -> list[Object]:
    return []


@dataclass(frozen=True)
class Printer:
    """How objects of one kind become rows.

    Args:
        columns: their order is that of the cells.
        cells: gives the cells of an object at a moment.
        conditions: what a row says of its object, such as that it is done.
    """

    columns: tuple[Column, ...]
    cells: Cells
    conditions: Callable[[Object], list[Object]] = _no_conditions


NAME = Column("Name", description="The name, unique in its namespace.", format="name")
AGE = Column("Age", description="The time since the object was created.")


def names(*texts: str, priority: int = 0) -> tuple[Column, ...]:
    """Columns of text."""
    return tuple(Column(text, priority=priority) for text in texts)


def age(obj: Object, now: datetime) -> str:
    """The age of an object."""
    return since(obj["metadata"].get("creationTimestamp"), now)


def _named(obj: Object, _: datetime) -> list[Any]:
    return [obj["metadata"]["name"], obj["metadata"].get("creationTimestamp")]


NAMED = Printer((NAME, Column("Created At", "date", description="When the object was created.")), _named)
"""Of kinds that have no printer of their own."""


def table(
    printer: Printer,
    objects: Iterable[Object],
    metadata: Mapping[str, Any],
    now: datetime,
    *,
    version: str = "v1",
    include: str = "Metadata",
    headers: bool = True,
) -> Object:
    """A Table.

    Args:
        metadata: that of the list, or what stands for it with a single object.
        include: what of each object a row carries: "None", "Metadata" or "Object".
        headers: whether the columns are told.
    """
    rows = []
    for obj in objects:
        row: Object = {"cells": printer.cells(obj, now)}
        if conditions := printer.conditions(obj):
            row["conditions"] = conditions
        if include == "Object":
            row["object"] = obj
        elif include == "Metadata":
            row["object"] = {
                "kind": "PartialObjectMetadata",
                "apiVersion": f"meta.k8s.io/{version}",
                "metadata": obj["metadata"],
            }
        else:
            row["object"] = None
        rows.append(row)
    definitions = [column.definition for column in printer.columns] if headers else None
    return {
        "kind": "Table",
        "apiVersion": f"meta.k8s.io/{version}",
        "metadata": dict(metadata),
        "columnDefinitions": definitions,
        "rows": rows,
    }
