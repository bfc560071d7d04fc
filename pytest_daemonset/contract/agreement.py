"""Agreement: whether a pod is as a template says, in what can be read off both."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


def differences(template: Mapping[str, Any], pod: Mapping[str, Any]) -> list[str]:
    """In which labels, annotations and images a pod is not as the template says; sentences.

    Nothing else is compared: the API server and admission fill in and change the rest.
    """
    wanted, seen = template.get("metadata") or {}, pod["metadata"]
    faults = [
        f"{field[:-1]} {key} is {(seen.get(field) or {}).get(key)!r} instead of {value!r}"
        for field in ("labels", "annotations")
        for key, value in (wanted.get(field) or {}).items()
        if (seen.get(field) or {}).get(key) != value
    ]
    images = {one["name"]: one.get("image") for one in pod["spec"].get("containers") or ()}
    return faults + [
        f"container {one['name']} runs {images.get(one['name'])} instead of {one.get('image')}"
        for one in (template.get("spec") or {}).get("containers") or ()
        if images.get(one["name"]) != one.get("image")
    ]
