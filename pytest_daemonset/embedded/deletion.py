"""Deletion: grace periods, finalizers, preconditions and propagation (kubernetes/apiserver, pkg/registry/rest/delete.go)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from pytest_daemonset.embedded import statuses

if TYPE_CHECKING:
    from pytest_daemonset.embedded.calls import Answer, Call
    from pytest_daemonset.embedded.kinds.kind import Kind
    from pytest_daemonset.embedded.store import Entry
    from pytest_daemonset.embedded.writes import Writes

Object = dict[str, Any]

FOREGROUND, ORPHAN = "foregroundDeletion", "orphan"
_FINALIZERS = {"Foreground": FOREGROUND, "Orphan": ORPHAN}
_IMMORTAL = frozenset({"default", "kube-system", "kube-public"})
_LONGEST_GRACE = 10_000_000_000  # seconds: what a timestamp of four digits can still tell
_FORMAT = "%Y-%m-%dT%H:%M:%SZ"


def ends_with_update(kind: Kind, new: Object, old: Object) -> bool:
    """Whether this change takes away the last thing that kept a deleted object alive."""
    before = old["metadata"]
    if "deletionTimestamp" not in before or before.get("deletionGracePeriodSeconds"):
        return False
    return not kind.holds_deletion(new)


def delete(writes: Writes, call: Call, answer: Answer, entry: Entry, options: Object) -> None:
    """Delete one object, or begin to.

    Args:
        options: as `options.delete_options` gives them.

    Raises:
        StatusError: 403 for the namespaces that cannot go, 409 if a precondition does not hold.
    """
    kind = call.kind
    if (kind.group, kind.kind) == ("", "Namespace") and call.name in _IMMORTAL:
        raise statuses.forbidden("", "namespaces", call.name, "this namespace may not be deleted")
    _check_preconditions(call, entry, options.get("preconditions") or {})
    obj, before = entry.object, entry.object
    metadata = obj["metadata"]
    metadata["finalizers"] = _finalizers(metadata.get("finalizers") or [], options.get("propagationPolicy"))
    if not metadata["finalizers"]:
        del metadata["finalizers"]
    graceful, pending = _begin(writes, kind, obj, options)
    if pending:
        _answer(call, answer, entry, entry.encoded)
        return
    stays = kind.holds_deletion(obj)
    if stays and not graceful:
        _mark(writes, kind, obj)
    dry_run = bool(options.get("dryRun"))
    grace_left = graceful and metadata["deletionGracePeriodSeconds"] > 0
    if (stays or graceful) and obj != before and not dry_run:
        change = writes.keep(call.served, obj)
        answer.changes.append(change)
        entry = call.served.seen(change)
    if stays or grace_left:
        answer.entry, answer.body = entry, entry.encoded
        return
    if not dry_run:
        entry = call.served.seen(writes.remove(call, answer, entry))
    _answer(call, answer, entry, entry.encoded)


def _answer(call: Call, answer: Answer, entry: Entry, body: bytes) -> None:
    import orjson

    kind = call.kind
    answer.entry = entry
    if not kind.returns_deleted:
        body = orjson.dumps(statuses.deleted(kind.group, kind.plural, call.name, entry.uid))
    answer.body = body


def _check_preconditions(call: Call, entry: Entry, preconditions: Object) -> None:
    kind, uid, version = call.kind, preconditions.get("uid"), preconditions.get("resourceVersion")
    actual = entry.uid
    if uid is not None and uid != actual:
        raise statuses.conflict(
            kind.group,
            kind.kind,
            call.name,
            f"the UID in the precondition ({uid}) does not match the UID in record ({actual}). "
            "The object might have been deleted and then recreated",
        )
    if version is not None and version != str(entry.rv):
        raise statuses.conflict(
            kind.group,
            kind.kind,
            call.name,
            f"the ResourceVersion in the precondition ({version}) does not match the ResourceVersion in record ({entry.rv}). "
            "The object might have been modified",
        )


def _finalizers(old: list[str], policy: str | None) -> list[str]:
    """Propagation is remembered as a finalizer, for the garbage collector; without a policy an earlier one stays."""
    if policy is None:
        return old
    kept = [each for each in old if each not in {FOREGROUND, ORPHAN}]
    added = _FINALIZERS.get(policy)
    return [*kept, added] if added else kept


def _begin(writes: Writes, kind: Kind, obj: Object, options: Object) -> tuple[bool, bool]:
    """Set the timestamps of a graceful deletion.

    Returns:
        Whether the object goes gracefully (also with 0 seconds); whether an earlier deletion is under way and nothing is to be done.
    """
    if not _is_graceful(kind):
        return False, False
    metadata = obj["metadata"]
    grace = kind.grace_seconds(obj, options)
    if "deletionTimestamp" not in metadata:
        _mark(writes, kind, obj, grace)
        return True, False
    before = metadata["deletionGracePeriodSeconds"]
    if "gracePeriodSeconds" not in options or grace >= before:
        return False, True
    less = timedelta(seconds=grace - min(before, _LONGEST_GRACE))
    ends = datetime.strptime(metadata["deletionTimestamp"], _FORMAT) + less  # noqa: DTZ007
    metadata["deletionTimestamp"] = ends.strftime(_FORMAT)
    metadata["deletionGracePeriodSeconds"] = grace
    return True, False


def _is_graceful(kind: Kind) -> bool:
    return (kind.group, kind.kind) == ("", "Pod")


def _mark(writes: Writes, kind: Kind, obj: Object, grace: int = 0) -> None:
    metadata = obj["metadata"]
    if "deletionTimestamp" in metadata:
        return
    metadata["deletionTimestamp"] = (writes.now() + timedelta(seconds=min(grace, _LONGEST_GRACE))).strftime(_FORMAT)
    metadata["deletionGracePeriodSeconds"] = grace
    if metadata.get("generation"):
        metadata["generation"] += 1
    if kind.on_holds_deletion(obj):
        # what a kind itself holds back (a namespace, by spec.finalizers) has no grace period in kube-apiserver
        del metadata["deletionGracePeriodSeconds"]
    kind.begin_deletion(obj)
