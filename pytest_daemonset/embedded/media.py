"""The formats that a client accepts."""

from __future__ import annotations

from pytest_daemonset.embedded import statuses

_READABLE = frozenset({"*/*", "application/*", "application/json"})
WRITTEN = "application/json"


def check_accept(accept: str) -> None:
    """Refuse a client that accepts nothing that is written here. Plain JSON is the fallback of every client that lists it.

    Raises:
        StatusError: 501 where only a Table is wanted, else 406.
    """
    if not accept:
        return
    ranges = [each.split(";") for each in accept.split(",")]
    plain = [each[0].strip() for each in ranges if not any(part.strip().startswith("as=") for part in each[1:])]
    if _READABLE.intersection(plain):
        return
    if any(part.strip().startswith("as=") for each in ranges for part in each[1:]):
        raise statuses.not_imitated(f"the media type {accept}")
    raise statuses.not_acceptable(WRITTEN)
