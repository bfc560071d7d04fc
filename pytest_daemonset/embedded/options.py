"""The options of a write: dryRun, fieldValidation and the DeleteOptions, checked as kube-apiserver checks them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_daemonset.embedded import bodies, duplicates, lists, patches, statuses
from pytest_daemonset.embedded.kinds.fielderrors import invalid

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_daemonset.embedded.calls import Answer, Call
    from pytest_daemonset.embedded.kinds.kind import Kind

Object = dict[str, Any]

_NAMES = {"create": "CreateOptions", "update": "UpdateOptions", "patch": "PatchOptions"}
_MANAGER_LIMIT = 128
_POLICIES = ("Foreground", "Background", "Orphan")


def is_dry_run(call: Call) -> bool:
    """Whether nothing is to be kept.

    Raises:
        StatusError: 422 for another value than "All".
    """
    return _dry([call.query["dryRun"]] if "dryRun" in call.query else [], _NAMES.get(call.verb, "DeleteOptions"))


def _dry(said: Any, options: str) -> bool:
    if not said:
        return False
    if said != ["All"]:
        shown = ",".join(f'"{each}"' for each in said) if isinstance(said, list) else said
        text = f'Unsupported value: [{shown}]: supported values: "All"'
        raise statuses.invalid_option(options, "dryRun", "FieldValueNotSupported", text)
    return True


def unknown_fields(call: Call, answer: Answer, unknown: list[str]) -> None:
    """Do with unknown fields, and with those that stand twice, what fieldValidation asks: refuse, warn (the default) or ignore.

    Raises:
        StatusError: 400 under Strict, 422 where it is a patch that brings them; 422 for another value.
    """
    if len(call.query.get("fieldManager", "").encode()) > _MANAGER_LIMIT:
        text = f"Too long: may not be more than {_MANAGER_LIMIT} bytes"
        raise statuses.invalid_option(_NAMES[call.verb], "fieldManager", "FieldValueTooLong", text)
    for at, character in enumerate(call.query.get("fieldManager", "")):
        if not character.isprintable():
            told = f"invalid character U+{ord(character):04X} (at position {at})"
            text = f'Invalid value: "{call.query["fieldManager"]}": {told}'
            raise statuses.invalid_option(_NAMES[call.verb], "fieldManager", "FieldValueInvalid", text)
    if call.verb == "patch" and call.content_type != patches.APPLY and "force" in call.query:
        text = "Forbidden: may not be specified for non-apply patch"
        raise statuses.invalid_option(_NAMES[call.verb], "force", "FieldValueForbidden", text)
    if not (unknown or call.query.get("fieldValidation")):
        return
    strict = call.query.get("fieldValidation") == "Strict"
    texts = _strange(unknown, call.body, call.content_type, call.query)
    if texts and strict and call.verb == "patch" and call.content_type != patches.APPLY:
        text = f"strict decoding error: {', '.join(texts)}"
        raise statuses.invalid("", "", "", [invalid("patch", call.body[:500].decode(errors="replace"), text)])
    answer.warnings.extend(_warnings(call.kind, texts, call.query, _NAMES[call.verb]))


def _strange(unknown: list[str], body: bytes, content_type: str, query: Mapping[str, str]) -> list[str]:
    """What is to be said of unknown fields, and of those that stand twice, for which only who asks has to wait."""
    texts = [f'unknown field "{path}"' for path in unknown]
    if query.get("fieldValidation") in {"Strict", "Warn"}:
        strangers = tuple(f'duplicate field "{path}{end}' for path in unknown for end in '".[')
        texts += [text for text in duplicates.of(body, content_type) if not text.startswith(strangers)]
    return texts


def field_warnings(
    kind: Kind, unknown: list[str], query: Mapping[str, str], options: str, body: bytes, content_type: str
) -> list[str]:
    """The warnings about strange fields that fieldValidation asks for.

    Args:
        options: what kind of options the query gives, such as "CreateOptions".
        body: what was read, in the format `content_type`.

    Raises:
        StatusError: see `unknown_fields`.
    """
    return _warnings(kind, _strange(unknown, body, content_type, query), query, options)


def _warnings(kind: Kind, texts: list[str], query: Mapping[str, str], options: str) -> list[str]:
    mode = query.get("fieldValidation") or "Warn"
    if mode not in {"Strict", "Warn", "Ignore"}:
        text = f'Unsupported value: "{mode}": supported values: "Ignore", "Strict", "Warn"'
        raise statuses.invalid_option(options, "fieldValidation", "FieldValueNotSupported", text)
    if not texts or mode == "Ignore":
        return []
    if mode == "Warn":
        return texts
    raise statuses.bad_request(
        f'{kind.kind} in version "{kind.version}" cannot be handled as a {kind.kind}: strict decoding error: {", ".join(texts)}'
    )


def delete_options(call: Call, answer: Answer) -> Object:
    """The DeleteOptions of the body, or else of the query: whatever the body holds, the query counts for nothing then.

    Returns:
        `gracePeriodSeconds`, `preconditions`, `propagationPolicy`, `dryRun` (a bool) as far as they were given.

    Raises:
        StatusError: 400 for a body that is no DeleteOptions, 422 for a value that there is not.
    """
    options: Object = {}
    if call.body:
        options, answer.request = bodies.parse(call.body, call.content_type, "DeleteOptions")
        if options.get("kind", "DeleteOptions") != "DeleteOptions":
            raise statuses.bad_request(
                f"the object provided is unrecognized (must be of type DeleteOptions): {options['kind']}"
            )
    else:
        options = _query_options(call)
    return checked_delete_options(options)


def checked_delete_options(options: Object) -> Object:
    """Check the types and values of DeleteOptions.

    Raises:
        StatusError: 400 for a value of another type, 422 for one that there is not.
    """
    if bodies.part(options, "gracePeriodSeconds", int) is None:
        options.pop("gracePeriodSeconds", None)
    orphans = bodies.part(options, "orphanDependents", bool)
    policy = bodies.part(options, "propagationPolicy", str)
    bodies.part(options, "preconditions", dict)
    if orphans is not None and policy is not None:
        text = f'Invalid value: "{policy}": orphanDependents and deletionPropagation cannot be both set'
        raise statuses.invalid_option("DeleteOptions", "propagationPolicy", "FieldValueInvalid", text)
    if orphans is not None:
        options["propagationPolicy"] = "Orphan" if orphans else "Background"
    if policy is not None and policy not in _POLICIES:
        text = f'Unsupported value: "{policy}": supported values: "Foreground", "Background", "Orphan", "nil"'
        raise statuses.invalid_option("DeleteOptions", "propagationPolicy", "FieldValueNotSupported", text)
    options["dryRun"] = _dry(bodies.part(options, "dryRun", list), "DeleteOptions")
    return options


def _query_options(call: Call) -> Object:
    options: Object = {"dryRun": [call.query["dryRun"]]} if "dryRun" in call.query else {}
    if (policy := call.query.get("propagationPolicy")) is not None:
        options["propagationPolicy"] = policy
    if "orphanDependents" in call.query:
        options["orphanDependents"] = lists.truth(call.query, "orphanDependents")
    if grace := call.query.get("gracePeriodSeconds"):
        seconds = lists.whole_number(grace.removeprefix("-"))
        if seconds is None:
            raise statuses.bad_request(f'strconv.ParseInt: parsing "{grace}": invalid syntax')
        options["gracePeriodSeconds"] = -seconds if grace.startswith("-") else seconds
    return options
