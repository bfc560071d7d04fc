"""The options of a write: dryRun, fieldValidation and the DeleteOptions, checked as kube-apiserver checks them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_daemonset.embedded import bodies, statuses

if TYPE_CHECKING:
    from pytest_daemonset.embedded.calls import Answer, Call

Object = dict[str, Any]

_NAMES = {"create": "CreateOptions", "update": "UpdateOptions", "patch": "PatchOptions"}
_POLICIES = ("Foreground", "Background", "Orphan")


def is_dry_run(call: Call) -> bool:
    """Whether nothing is to be kept.

    Raises:
        StatusError: 422 for another value than "All".
    """
    said = call.query.get("dryRun", "")
    return _dry([said] if said else [], _NAMES.get(call.verb, "DeleteOptions"))


def _dry(said: Any, options: str) -> bool:
    if not said:
        return False
    if said != ["All"]:
        shown = ",".join(f'"{each}"' for each in said) if isinstance(said, list) else said
        text = f'Unsupported value: [{shown}]: supported values: "All"'
        raise statuses.invalid_option(options, "dryRun", "FieldValueNotSupported", text)
    return True


def unknown_fields(call: Call, answer: Answer, unknown: list[str]) -> None:
    """Do with unknown fields what fieldValidation asks: refuse, warn (the default) or ignore.

    Raises:
        StatusError: 400 under Strict; 422 for another value.
    """
    mode = call.query.get("fieldValidation") or "Warn"
    if mode not in {"Strict", "Warn", "Ignore"}:
        text = f'Unsupported value: "{mode}": supported values: "Ignore", "Strict", "Warn"'
        raise statuses.invalid_option(_NAMES[call.verb], "fieldValidation", "FieldValueNotSupported", text)
    if not unknown or mode == "Ignore":
        return
    texts = [f'unknown field "{path}"' for path in unknown]
    if mode == "Warn":
        answer.warnings.extend(texts)
        return
    kind = call.kind
    raise statuses.bad_request(
        f'{kind.kind} in version "{kind.version}" cannot be handled as a {kind.kind}: strict decoding error: {", ".join(texts)}'
    )


def delete_options(call: Call, answer: Answer) -> Object:
    """The DeleteOptions of the body, or else of the query.

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
        for name in ("propagationPolicy", "gracePeriodSeconds", "orphanDependents"):
            if name in call.query:
                options[name] = call.query[name]
    options["dryRun"] = _dry(options.get("dryRun"), "DeleteOptions") or is_dry_run(call)
    grace = options.get("gracePeriodSeconds")
    if isinstance(grace, str):
        if not grace.lstrip("-").isdigit():
            raise statuses.bad_request(f'strconv.ParseInt: parsing "{grace}": invalid syntax')
        grace = options["gracePeriodSeconds"] = int(grace)
    if grace is None:
        options.pop("gracePeriodSeconds", None)
    elif not isinstance(grace, int):
        raise statuses.bad_request(
            f"json: cannot unmarshal {bodies.go_type(grace)} into Go struct field gracePeriodSeconds of type int64"
        )
    policy, orphans = options.get("propagationPolicy"), options.pop("orphanDependents", None)
    if orphans is not None and policy is None:
        options["propagationPolicy"] = "Orphan" if orphans in {True, "true", "1"} else "Background"
    if policy is not None and policy not in _POLICIES:
        text = f'Unsupported value: "{policy}": supported values: "Foreground", "Background", "Orphan", "nil"'
        raise statuses.invalid_option("DeleteOptions", "propagationPolicy", "FieldValueNotSupported", text)
    if not isinstance(options.get("preconditions") or {}, dict):
        raise statuses.bad_request("json: cannot unmarshal value into Go struct field preconditions")
    return options
