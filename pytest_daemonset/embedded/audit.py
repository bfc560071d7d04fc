"""The audit log: one audit.k8s.io/v1 Event per write, on disk before its answer is sent and before any watcher hears of it.

A request of any kind that somebody has no right to has one too.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any

import orjson

from pytest_daemonset.embedded.times import second
from pytest_daemonset.embedded.uids import new_uid

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_daemonset.embedded.authorization import Attributes
    from pytest_daemonset.embedded.calls import Answer, Call, Caller

RESULTING_VERSION = "pytest-daemonset/resourceVersion"
RESULTING_VERSIONS = "pytest-daemonset/resourceVersions"


class AuditLog:
    """Appends one line per write. Opened on creation, closed by `close`.

    Each line carries, beside the fields of Kubernetes, the annotation `pytest-daemonset/resourceVersion`: the version that the write
    made (absent if it made none), and `pytest-daemonset/resourceVersions`, comma-separated, if it made several.

    Args:
        path: the file; created with mode 0600, appended to if it exists.
    """

    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def close(self) -> None:
        """Close the file."""
        os.close(self._fd)

    def write(self, call: Call, code: int, answer: Answer, status: dict[str, Any]) -> None:
        """Append the line of one finished write.

        Args:
            code: the HTTP status of its answer.
            answer: what it did (its request bytes may be empty if the body could not be decoded).
            status: the Status of a failure; empty otherwise.
        """
        kind = call.kind
        reference: dict[str, Any] = {"resource": kind.plural}
        if call.namespace:
            reference["namespace"] = call.namespace
        name, uid = call.name, ""
        if answer.entry is not None:
            name = answer.entry.key[1]
            uid = answer.entry.uid
        if name:
            reference["name"] = name
        if uid:
            reference["uid"] = uid
        if kind.group:
            reference["apiGroup"] = kind.group
        reference["apiVersion"] = kind.version
        if answer.changes:
            reference["resourceVersion"] = str(answer.changes[-1].rv)
        if call.subresource:
            reference["subresource"] = call.subresource
        event = _event(call.caller, "Request", call.verb, call.uri, code, status)
        event["objectRef"] = reference
        if answer.request:
            event["requestObject"] = orjson.Fragment(answer.request)
        if answer.changes:
            versions = [str(change.rv) for change in answer.changes]
            event["annotations"] = {RESULTING_VERSION: versions[-1]}
            if len(versions) > 1:
                event["annotations"][RESULTING_VERSIONS] = ",".join(versions)
        if answer.annotations:
            event["annotations"] = {**event.get("annotations", {}), **answer.annotations}
        self._append(event)

    def refuse(self, caller: Caller, wanted: Attributes, uri: str, status: dict[str, Any]) -> None:
        """Append the line of a request that its caller has no right to.

        Args:
            caller: who asked.
            wanted: what for.
            uri: how.
            status: the Status of the refusal.
        """
        event = _event(caller, "Metadata", wanted.verb, uri, status["code"], status)
        if wanted.resource:
            about = {
                "resource": wanted.resource,
                "namespace": wanted.namespace,
                "name": wanted.name,
                "apiGroup": wanted.group,
                "apiVersion": wanted.version,
                "subresource": wanted.subresource,
            }
            event["objectRef"] = {key: value for key, value in about.items() if value}
        self._append(event)

    def _append(self, event: dict[str, Any]) -> None:
        line = orjson.dumps(event, option=orjson.OPT_APPEND_NEWLINE)
        written = os.write(self._fd, line)
        if written != len(line):
            raise OSError(f"the audit log took {written} of {len(line)} bytes: is the disk full?")


def _now() -> str:
    """The time to the microsecond."""
    seconds, rest = divmod(time.time_ns(), 10**9)
    return f"{second(seconds)}.{rest // 1000:06}Z"


def _event(caller: Caller, level: str, verb: str, uri: str, code: int, status: dict[str, Any]) -> dict[str, Any]:
    now = _now()
    told = {key: status[key] for key in ("metadata", "status", "message", "reason", "details", "code") if key in status}
    event = {
        "kind": "Event",
        "apiVersion": "audit.k8s.io/v1",
        "level": level,
        "auditID": new_uid(),
        "stage": "ResponseComplete",
        "requestURI": uri,
        "verb": verb,
        "user": (caller.impersonator or caller).info,
        "userAgent": caller.user_agent,
        "responseStatus": told or {"metadata": {}, "code": code},
        "requestReceivedTimestamp": now,
        "stageTimestamp": now,
    }
    if caller.impersonator is not None:
        event["impersonatedUser"] = caller.info
    return event
