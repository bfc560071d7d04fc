"""The formats that a client accepts: whole objects, or their metadata only, as JSON."""

from __future__ import annotations

import orjson

from pytest_daemonset.embedded import statuses

_READABLE = frozenset({"*/*", "application/*", "application/json"})
_PARTIAL = {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1"}
WRITTEN = "application/json"


def wants_metadata(accept: str) -> bool:
    """Whether the first form of an Accept header that is written here is PartialObjectMetadata (or a list of it).

    Plain JSON is the fallback of every client that lists it.

    Raises:
        StatusError: 501 where only forms are accepted that Kubernetes writes and this server does not (Tables), else 406.
    """
    if not accept:
        return False
    foreign = False
    for said in accept.split(","):
        media_type, *rest = (part.strip() for part in said.split(";"))
        parameters = dict(part.partition("=")[::2] for part in rest)
        if media_type not in _READABLE:
            continue
        if "as" not in parameters:
            return False
        foreign = True
        if parameters["as"].startswith("PartialObjectMetadata") and parameters.get("v", "v1") == "v1":
            return True
    if foreign:
        raise statuses.not_imitated(f"the media type {accept}")
    raise statuses.not_acceptable(WRITTEN)


def metadata_of(body: bytes) -> bytes:
    """Cut an object, or a list of objects, down to the metadata."""
    whole = orjson.loads(body)
    if "items" not in whole:
        return orjson.dumps({**_PARTIAL, "metadata": whole["metadata"]})
    items = [{**_PARTIAL, "metadata": item["metadata"]} for item in whole["items"]]
    kind = {"kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1"}
    return orjson.dumps({**kind, "metadata": whole["metadata"], "items": items})


def metadata_of_events(frames: bytes) -> bytes:
    """Cut the objects of watch events, one on each line, down to the metadata; errors stay whole."""
    events = [orjson.loads(line) for line in frames.splitlines()]
    for event in events:
        if event["type"] != "ERROR":
            event["object"] = {**_PARTIAL, "metadata": event["object"]["metadata"]}
    return b"".join(orjson.dumps(event, option=orjson.OPT_APPEND_NEWLINE) for event in events)
