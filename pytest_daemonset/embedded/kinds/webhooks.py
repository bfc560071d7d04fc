"""Configurations of admission webhooks (kubernetes/pkg/apis/admissionregistration)."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from pytest_daemonset.embedded import printers, statuses
from pytest_daemonset.embedded.kinds import metadata
from pytest_daemonset.embedded.kinds.admission import (
    GROUP,
    MATCHING,
    OF_WEBHOOKS,
    POLICIES,
    REINVOCATION,
    default_rules,
    one_of,
    validate_conditions,
    validate_rule,
)
from pytest_daemonset.embedded.kinds.fielderrors import duplicate, invalid, not_supported, required
from pytest_daemonset.embedded.kinds.kind import Kind, Object
from pytest_daemonset.embedded.kinds.names import dns_subdomain
from pytest_daemonset.embedded.kinds.selectors import validate_selector

if TYPE_CHECKING:
    from pytest_daemonset.embedded.kinds.fielderrors import FieldError

REVIEWS = ("v1", "v1beta1")
"""The versions of AdmissionReview that a webhook may ask for."""
_SIDE_EFFECTS = ("None", "NoneOnDryRun")
_LONGEST = 30  # seconds
_DESIRED = "; desired format: https://host[/path]"


def _default(obj: Object, *, mutating: bool) -> None:
    for hook in obj.get("webhooks") or ():
        for name, value in (("failurePolicy", "Fail"), ("matchPolicy", "Equivalent"), ("timeoutSeconds", 10)):
            hook.setdefault(name, value)
        for name in ("namespaceSelector", "objectSelector"):
            hook.setdefault(name, {})
        if mutating:
            hook.setdefault("reinvocationPolicy", "Never")
        if service := hook["clientConfig"].get("service"):
            service.setdefault("port", 443)
        default_rules(hook.get("rules") or ())


def _admit(obj: Object) -> None:
    for hook in obj.get("webhooks") or ():
        if hook["clientConfig"].get("service") and not hook["clientConfig"].get("url"):
            raise statuses.not_imitated(
                "webhooks behind a service (there are no services and no pod network here; clientConfig.url reaches a webhook that "
                "listens on this machine)"
            )


def _validate(obj: Object, *, mutating: bool) -> list[FieldError]:
    errors: list[FieldError] = []
    seen = set()
    for index, hook in enumerate(obj.get("webhooks") or ()):
        path = f"webhooks[{index}]"
        errors += _validate_hook(hook, path, mutating=mutating)
        if hook["name"] in seen:
            errors.append(duplicate(f"{path}.name", hook["name"]))
        seen.add(hook["name"])
    return errors


def _validate_hook(hook: Object, path: str, *, mutating: bool) -> list[FieldError]:
    errors = _validate_name(hook["name"], f"{path}.name")
    for at, rule in enumerate(hook.get("rules") or ()):
        errors += validate_rule(rule, f"{path}.rules[{at}]")
    errors += one_of(hook["failurePolicy"], POLICIES, f"{path}.failurePolicy")
    errors += one_of(hook["matchPolicy"], MATCHING, f"{path}.matchPolicy")
    if not hook["sideEffects"]:
        errors.append(required(f"{path}.sideEffects", "must specify one of None, NoneOnDryRun"))
    elif hook["sideEffects"] not in _SIDE_EFFECTS:
        errors.append(not_supported(f"{path}.sideEffects", hook["sideEffects"], _SIDE_EFFECTS))
    if not 1 <= hook["timeoutSeconds"] <= _LONGEST:
        text = f"the timeout value must be between 1 and {_LONGEST} seconds"
        errors.append(invalid(f"{path}.timeoutSeconds", hook["timeoutSeconds"], text))
    for name in ("namespaceSelector", "objectSelector"):
        errors += validate_selector(hook[name] or {}, f"{path}.{name}")
    if mutating:
        errors += one_of(hook["reinvocationPolicy"], REINVOCATION, f"{path}.reinvocationPolicy")
    errors += _validate_client(hook["clientConfig"], f"{path}.clientConfig")
    errors += validate_conditions(hook.get("matchConditions") or [], OF_WEBHOOKS, f"{path}.matchConditions")
    return [*errors, *_validate_versions(hook["admissionReviewVersions"] or [], f"{path}.admissionReviewVersions")]


def _validate_name(name: str, path: str) -> list[FieldError]:
    if not name:
        return [required(path)]
    errors = [invalid(path, name, text) for text in dns_subdomain(name)]
    if name.count(".") < 2:
        errors.append(invalid(path, name, "should be a domain with at least three segments separated by dots"))
    return errors


def _validate_versions(versions: list[str], path: str) -> list[FieldError]:
    if not versions:
        return [required(path, f"must specify one of {', '.join(REVIEWS)}")]
    if not set(versions) & set(REVIEWS):
        return [invalid(path, versions, f"must include at least one of {', '.join(REVIEWS)}")]
    return []


def _validate_client(client: Object, path: str) -> list[FieldError]:
    url, service = client.get("url"), client.get("service")
    if (url is None) == (service is None):
        return [required(path, "exactly one of url or service is required")]
    return [] if url is None else _validate_url(url, f"{path}.url")


def _validate_url(url: str, path: str) -> list[FieldError]:
    try:
        read = urlsplit(url)
        host, _ = read.hostname, read.port
    except ValueError as error:
        return [required(path, f"url must be a valid URL: {error}{_DESIRED}")]
    errors = []
    if read.scheme != "https":
        errors.append(invalid(path, read.scheme, f"'https' is the only allowed URL scheme{_DESIRED}"))
    if not host:
        errors.append(invalid(path, "", f"host must be specified{_DESIRED}"))
    if read.username or read.password:
        errors.append(invalid(path, read.username, "user information is not permitted in the URL"))
    if read.fragment:
        errors.append(invalid(path, read.fragment, "fragments are not permitted in the URL"))
    if read.query:
        errors.append(invalid(path, read.query, "query parameters are not permitted in the URL"))
    return errors


def _prepare_update(new: Object, old: Object) -> None:
    if new.get("webhooks") != old.get("webhooks"):
        metadata.bump_generation(new, old)


def _kind(name: str, *, mutating: bool) -> Kind:
    validate = partial(_validate, mutating=mutating)
    return Kind(
        group=GROUP,
        version="v1",
        kind=name,
        plural=f"{name.lower()}s",
        unconditional_update=False,
        singular=name.lower(),
        categories=("api-extensions",),
        namespaced=False,
        has_generation=True,
        printer=printers.WEBHOOKS,
        on_default=partial(_default, mutating=mutating),
        on_admit_create=_admit,
        on_admit_update=lambda new, _old: _admit(new),
        on_prepare_update=_prepare_update,
        on_validate_create=validate,
        on_validate_update=lambda new, _old: validate(new),
    )


VALIDATING_WEBHOOK_CONFIGURATION = _kind("ValidatingWebhookConfiguration", mutating=False)
MUTATING_WEBHOOK_CONFIGURATION = _kind("MutatingWebhookConfiguration", mutating=True)
KINDS = (VALIDATING_WEBHOOK_CONFIGURATION, MUTATING_WEBHOOK_CONFIGURATION)
