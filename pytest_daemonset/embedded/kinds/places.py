"""Where a value stands in an object: a chain of steps, made while it is read, and told as a path only if something is wrong there."""

from __future__ import annotations

# the place of what it stands in (None for the object itself), and the name or the index there
Place = tuple["Place | None", str | int]


def told(place: Place | None) -> str:
    """The path, as in `spec.containers[0].name`; "" for the object itself."""
    steps: list[str | int] = []
    while place is not None:
        place, step = place
        steps.append(step)
    path = ""
    for step in reversed(steps):
        if isinstance(step, int):
            path += f"[{step}]"
        else:
            path += f".{step}" if path else step
    return path
