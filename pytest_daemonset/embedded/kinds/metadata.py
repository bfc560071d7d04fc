"""ObjectMeta: what the server keeps, changes and refuses in it, whatever the kind."""

from __future__ import annotations

from typing import Any

from pytest_daemonset.embedded.kinds.fielderrors import FieldError, forbidden, invalid, required, too_long
from pytest_daemonset.embedded.kinds.names import NAME_RULES, label_value, qualified_name

Object = dict[str, Any]

ORPHAN = "orphan"
FOREGROUND = "foregroundDeletion"
_ANNOTATIONS_LIMIT = 256 * 1024
_STANDARD_FINALIZERS = (ORPHAN, FOREGROUND, "kubernetes")


def prepare_create(obj: Object, *, has_generation: bool) -> None:
    """Take away what only the server sets."""
    meta = obj.setdefault("metadata", {})
    for name in ("deletionTimestamp", "deletionGracePeriodSeconds", "selfLink", "managedFields"):
        meta.pop(name, None)
    if has_generation:
        meta["generation"] = 1


def prepare_update(new: Object, old: Object) -> None:
    """Fill in what a writer may leave out, and keep what none may change."""
    meta, was = new.setdefault("metadata", {}), old["metadata"]
    for name in ("selfLink", "managedFields"):
        meta.pop(name, None)
    meta.pop("generation", None)
    if "generation" in was:
        meta["generation"] = was["generation"]
    for name in ("uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds"):
        if name in was and meta.get(name) in (None, ""):
            meta[name] = was[name]


def keep_spec(new: Object, old: Object) -> None:
    """Keep everything but the metadata and the status: what a write to `/status` does for most kinds."""
    keep(new, old, *(name for name in {*new, *old} if name not in {"metadata", "status"}))


def keep(new: Object, old: Object, *names: str) -> None:
    """Put the old values of these top-level fields back."""
    for name in names:
        if name in old:
            new[name] = old[name]
        else:
            new.pop(name, None)


def bump_generation(new: Object, old: Object) -> None:
    """Count one change of what is wanted."""
    new["metadata"]["generation"] = old["metadata"].get("generation", 0) + 1


def validate(obj: Object, namespaced: bool, name_rule: str) -> list[FieldError]:
    """Tell what is wrong with an object's metadata."""
    meta = obj.get("metadata", {})
    errors = []
    rule = NAME_RULES[name_rule]
    if prefix := meta.get("generateName"):
        # A name made from the prefix may go on where the prefix ends in '-'.
        tried = f"{prefix[:-1]}a" if prefix.endswith("-") else prefix
        errors += [invalid("metadata.generateName", prefix, text) for text in rule(tried)]
    if not meta.get("name"):
        errors.append(required("metadata.name", "name or generateName is required"))
    else:
        errors += [invalid("metadata.name", meta["name"], text) for text in rule(meta["name"])]
    if namespaced and not meta.get("namespace"):
        errors.append(required("metadata.namespace"))
    elif namespaced:
        errors += [invalid("metadata.namespace", meta["namespace"], t) for t in NAME_RULES["label"](meta["namespace"])]
    elif meta.get("namespace"):
        errors.append(forbidden("metadata.namespace", "not allowed on this type"))
    if meta.get("generation", 0) < 0:
        errors.append(invalid("metadata.generation", meta["generation"], "must be greater than or equal to 0"))
    return [*errors, *_validate_maps(meta, {}), *_validate_finalizers(meta)]


def validate_update(new: Object, old: Object) -> list[FieldError]:
    """Tell what is wrong with a change of an object's metadata."""
    meta, was = new["metadata"], old["metadata"]
    errors = []
    if was.get("deletionTimestamp"):
        known = set(was.get("finalizers", ()))
        added = [each for each in meta.get("finalizers", ()) if each not in known]
        if added:
            text = f"no new finalizers can be added if the object is being deleted, found new finalizers {added}"
            errors.append(forbidden("metadata.finalizers", text))
    errors += [
        invalid(f"metadata.{name}", meta.get(name), "field is immutable")
        for name in ("name", "namespace", "uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds")
        if meta.get(name) != was.get(name)
    ]
    if meta.get("finalizers") != was.get("finalizers"):
        errors += _validate_finalizers(meta)
    return [*errors, *_validate_maps(meta, was)]


def validate_labels(labels: dict[str, str], path: str) -> list[FieldError]:
    """Tell what is wrong with labels, as metadata, a template or a node selector has them."""
    errors = []
    for key, value in labels.items():
        errors += [invalid(path, key, text) for text in qualified_name(key)]
        errors += [invalid(path, value, text) for text in label_value(value)]
    return errors


def validate_annotations(annotations: dict[str, str], path: str) -> list[FieldError]:
    """Tell what is wrong with annotations; all of them together have a limit of 256 KiB."""
    errors = [invalid(path, key, text) for key in annotations for text in qualified_name(key.lower())]
    if sum(len(key.encode()) + len(value.encode()) for key, value in annotations.items()) > _ANNOTATIONS_LIMIT:
        errors.append(too_long(path, _ANNOTATIONS_LIMIT))
    return errors


def _validate_maps(meta: Object, was: Object) -> list[FieldError]:
    """Tell what is wrong with what is not as it was: that was found right."""
    errors: list[FieldError] = []
    if (labels := meta.get("labels")) and labels != was.get("labels"):
        errors += validate_labels(labels, "metadata.labels")
    if (annotations := meta.get("annotations")) and annotations != was.get("annotations"):
        errors += validate_annotations(annotations, "metadata.annotations")
    if (owners := meta.get("ownerReferences")) and owners != was.get("ownerReferences"):
        errors += _validate_owners(owners)
    return errors


def _validate_owners(owners: list[Object]) -> list[FieldError]:
    path = "metadata.ownerReferences"
    errors = []
    for owner in owners:
        group, _, version = owner["apiVersion"].rpartition("/")
        if not version or "/" in group:
            errors.append(invalid(f"{path}.apiVersion", owner["apiVersion"], "version must not be empty"))
        errors += [
            invalid(f"{path}.{each}", "", "must not be empty") for each in ("kind", "name", "uid") if not owner[each]
        ]
        if (owner["apiVersion"], owner["kind"]) == ("v1", "Event"):
            errors.append(invalid(path, owner, "/v1, Kind=Event is disallowed from being an owner"))
    controllers = [each["name"] for each in owners if each.get("controller")]
    if len(controllers) > 1:
        text = f"only one reference can have controller set to true, found it for {', '.join(controllers)}"
        errors.append(invalid(path, owners, text))
    return errors


def _validate_finalizers(meta: Object) -> list[FieldError]:
    path = "metadata.finalizers"
    finalizers = meta.get("finalizers", [])
    errors = []
    for index, each in enumerate(finalizers):
        errors += [invalid(path, each, text) for text in qualified_name(each)]
        if "/" not in each and each not in _STANDARD_FINALIZERS:
            text = "name is neither a standard finalizer name nor is it fully qualified"
            errors.append(invalid(f"{path}[{index}]", each, text))
    if ORPHAN in finalizers and FOREGROUND in finalizers:
        errors.append(invalid(path, finalizers, f"finalizers {ORPHAN} and {FOREGROUND} cannot be both set"))
    return errors
