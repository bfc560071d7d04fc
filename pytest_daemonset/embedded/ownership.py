"""managedFields: what server-side apply does to a stored object, and how other writes change who owns its fields.

Other writes are followed from the first apply on: until then an object costs nothing for it. What happened before is read from the ring
of events then; what the ring has forgotten belongs to the manager `before-first-apply`, as in kube-apiserver's own migration.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_daemonset.embedded import bodies, lists, media, statuses
from pytest_daemonset.embedded.apply import ConflictError, Live, Managers, ShapeError, Writer, apply
from pytest_daemonset.embedded.apply.fieldsets import decode, shown
from pytest_daemonset.embedded.apply.managers import APPLY, BEFORE, UPDATE

if TYPE_CHECKING:
    from pytest_daemonset.embedded.calls import Answer, Call, Served
    from pytest_daemonset.embedded.store import Entry

Object = dict[str, Any]

_NONE: list[Object] = [{}]
"""What whoever wants no managedFields at all says (kubernetes/apimachinery, pkg/util/managedfields)."""


def configuration(call: Call, answer: Answer) -> Object:
    """The body of an apply.

    Raises:
        StatusError: 422 without a field manager, 400 for what cannot be read or names another object.
    """
    if not call.query.get("fieldManager"):
        text = "Required value: is required for apply patch"
        raise statuses.invalid_option("PatchOptions", "fieldManager", "FieldValueRequired", text)
    kind = call.kind
    config, answer.request = bodies.parse(call.body, media.YAML, kind.kind)
    for name in ("apiVersion", "kind"):
        if not config.get(name):
            raise statuses.bad_request(f"error unmarshaling apply patch: Object '{name}' is missing in the patch")
    if (config["apiVersion"], config["kind"]) != (kind.api_version, kind.kind):
        raise statuses.bad_request(f"invalid object type: {_type(config['apiVersion'], config['kind'])}")
    metadata = bodies.part(config, "metadata", dict)
    if metadata is None:
        metadata = config["metadata"] = {}
    if metadata.get("managedFields") is not None:
        raise statuses.bad_request("metadata.managedFields must be nil")
    return config


def applied(call: Call, entry: Entry | None, config: Object, time: str) -> tuple[Object, list[Object]]:
    """What an apply makes of the object.

    Args:
        entry: the object as it is; None if it does not exist.
        time: now, as Kubernetes writes it.

    Returns:
        The object, yet to be decoded, and its managedFields.

    Raises:
        StatusError: 409 with the conflicts; 500 (as kube-apiserver) for a configuration that does not fit the kind.
    """
    served = call.served
    live = Live({}, Managers()) if entry is None else Live(entry.object, _managers(served, entry, time))
    writer = Writer(call.query["fieldManager"], APPLY, call.kind.api_version, call.subresource)
    ignored = "spec" if call.subresource else "status" if "status" in call.kind.subresources else ""
    forced = lists.truth(call.query, "force")
    try:
        merged = apply(served.shape, live, config, writer, force=forced, time=time, ignored=ignored)
    except ConflictError as error:
        raise _conflict(error) from None
    except ShapeError as error:
        named = config["metadata"]
        what = f"{named.get('namespace', '')}/{named.get('name', '')}; {_type(call.kind.api_version, call.kind.kind)}"
        raise statuses.StatusError(500, "", f"failed to create typed patch object ({what}): {error}") from None
    return merged, live.managers.entries()


def _type(api_version: str, kind: str) -> str:
    return f"{api_version if '/' in api_version else f'/{api_version}'}, Kind={kind}"


def follow(call: Call, obj: Object, old: Object, time: str, said: Any) -> None:
    """Write the managedFields of an object after a write that is no apply.

    Args:
        obj, old: the object after and before; the latter has been applied at some time.
        said: the managedFields that the writer wants. They count if they can be read, as kubectl moves fields of client-side apply to
            another manager by them; one empty entry wants none at all. Nothing said leaves them as they were.
    """
    if said == _NONE and not call.subresource:
        return
    entries = said if _counts(said) and not call.subresource else old["metadata"]["managedFields"]
    managers = Managers(entries)
    writer = Writer(call.manager, UPDATE, call.kind.api_version, call.subresource)
    managers.follow(call.served.shape, old, obj, writer, time)
    obj["metadata"]["managedFields"] = managers.entries()


def _counts(said: Any) -> bool:
    """Whether these are managedFields that own something, and that can be read again."""
    if not isinstance(said, list) or not said:
        return False
    try:
        for each in said:
            if each["operation"] not in {APPLY, UPDATE} or each["fieldsType"] != "FieldsV1" or not each["apiVersion"]:
                return False
            for path in decode(each["fieldsV1"]):
                shown(path)
    except (AttributeError, KeyError, TypeError, ValueError):
        return False
    return bool(Managers(said).owned())


def _managers(served: Served, entry: Entry, time: str) -> Managers:
    told = entry.object["metadata"].get("managedFields")
    if told:
        return Managers(told)
    history = served.table.history(entry.key)
    managers, api_version = Managers(), served.kind.api_version
    before: Object = {}
    first = history[0].previous if history else entry
    if first is not None:
        managers.follow(served.shape, {}, first.object, Writer(BEFORE, UPDATE, api_version), time)
        before = first.object
    for change in history:
        after = change.object
        # what the server itself changed belongs to nobody
        if change.writer is not None:
            name, subresource = change.writer
            writer = Writer(name, UPDATE, api_version, subresource)
            managers.follow(served.shape, before, after, writer, time)
        before = after
    return managers


def _conflict(error: ConflictError) -> statuses.StatusError:
    causes: list[Object] = []
    by_writer: dict[str, list[str]] = {}
    for writer, paths in sorted(error.conflicts, key=lambda one: one[0]):
        who = f'"{writer.name}"'
        if writer.subresource:
            who += f' with subresource "{writer.subresource}"'
        if writer.operation == UPDATE:
            who += f" using {writer.api_version}"
        by_writer[who] = [shown(path) for path in paths]
        causes += [
            {"reason": "FieldManagerConflict", "message": f"conflict with {who}", "field": field}
            for field in by_writer[who]
        ]
    if len(causes) == 1:
        message = f"Apply failed with 1 conflict: {causes[0]['message']}: {causes[0]['field']}"
    else:
        listed = (
            line
            for who, fields in by_writer.items()
            for line in (f"conflicts with {who}:", *(f"- {f}" for f in fields))
        )
        message = f"Apply failed with {len(causes)} conflicts: " + "\n".join(listed)
    return statuses.StatusError(409, "Conflict", message, {"causes": causes})
