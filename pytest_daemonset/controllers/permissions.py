"""What the controller under test was not allowed to do, so that a failing test says which rule its role lacks."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_daemonset.kube.audit import AuditLog, Entry


def lacking(audit: AuditLog, user: str, since: int = 0) -> list[str]:
    """The requests of a user that were refused for want of a right, one line for each verb and resource.

    Args:
        audit: the cluster's log.
        user: the controller's.
        since: a mark of the log.
    """
    refused = [entry for entry in audit.entries(user=user, since=since, accepted=False) if _for_want_of_a_right(entry)]
    count = Counter(map(_right, refused))
    return [f"{right} ({times} times)" if times > 1 else right for right, times in count.items()]


def _for_want_of_a_right(entry: Entry) -> bool:
    # Admission answers 403 too, with another sentence.
    return entry.code == 403 and " cannot " in str((entry.raw.get("responseStatus") or {}).get("message"))


def _right(entry: Entry) -> str:
    about = entry.raw.get("objectRef") or {}
    if not entry.resource:
        return f"{entry.verb} {entry.raw.get('requestURI')}"
    resource = f"{entry.resource}/{entry.subresource}" if entry.subresource else entry.resource
    group = f".{about['apiGroup']}" if about.get("apiGroup") else ""
    return f"{entry.verb} {resource}{group} {f'in namespace {entry.namespace}' if entry.namespace else 'in all the cluster'}"
