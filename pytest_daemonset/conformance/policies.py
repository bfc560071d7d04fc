"""Admission policies of a row: an API server that refuses, or changes, the pods that a controller asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest

from pytest_daemonset.conformance import manifests
from pytest_daemonset.conformance.dry_runs import until_admitted
from pytest_daemonset.errors import ClusterError, UsageError
from pytest_daemonset.kube.discovery import Discovery
from pytest_daemonset.kube.errors import ApiError

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_daemonset.conformance.rig import Rig
    from pytest_daemonset.kube.resources import Resource

Object = dict[str, Any]

_GROUP: Final = "admissionregistration.k8s.io"
_VERSIONS: Final = ("v1", "v1beta1", "v1alpha1")
_EFFECT: Final = 30.0
"""Seconds in which a policy takes effect: Kubernetes' informer of policies looks every second or so."""


class Policy:
    """One policy and its binding, for the pods that are created in the row's namespace; gone when the row is over.

    Args:
        rig: the row's.
        kind: ``ValidatingAdmissionPolicy`` or ``MutatingAdmissionPolicy``.
        spec: of the policy, less what it is about.
        binding: of the binding, less whose it is.
    """

    def __init__(self, rig: Rig, kind: str, spec: Object, binding: Object) -> None:
        self._rig = rig
        self._policies, self._bindings = _served(rig, kind)
        self.name = f"{rig.namespace}.conformance.pytest-daemonset.io"
        constraints = {
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": rig.namespace}},
            "resourceRules": [
                {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}
            ],
        }
        self._create(self._policies, {"failurePolicy": "Fail", "matchConstraints": constraints, **spec})
        self._create(self._bindings, {"policyName": self.name, **binding})

    def _create(self, resource: Resource, spec: Object) -> None:
        body = {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": {"name": self.name}}
        self._rig.create(resource, {**body, "spec": spec})
        self._rig.at_end(lambda: self._delete(resource))

    def _delete(self, resource: Resource) -> None:
        try:
            self._rig.do(lambda: self._rig.client.delete(resource, self.name))
        except ApiError as error:
            if error.status != 404:
                raise

    def lift(self, probe: Object, in_effect: Callable[[Object | ApiError], bool]) -> None:
        """Take the policy away, and wait until it has no effect any more; arguments as for `await_effect`."""
        for resource in (self._bindings, self._policies):
            self._delete(resource)
        self.await_effect(probe, lambda answer: not in_effect(answer))

    def await_effect(self, probe: Object, in_effect: Callable[[Object | ApiError], bool]) -> None:
        """Wait until dry runs show that the policy is in effect.

        Args:
            probe: a pod that the policy is about.
            in_effect: whether the API server's answer, the pod or a refusal, shows it.

        Raises:
            ClusterError: it is not, in time.
        """
        answer = until_admitted(self._rig, probe, in_effect, within=_EFFECT)
        if answer is not None:
            raise ClusterError(
                f"policy {self.name} has not taken effect, or has not lost it, after {_EFFECT:g} s: {answer}"
            )


def refuse_pods(rig: Rig, unless: str, message: str, probe: Object) -> Callable[[], None]:
    """Have the API server refuse new pods of the row's namespace, until what is returned is called, or the row is over.

    Args:
        rig: the row's.
        unless: the pods that it admits, in CEL.
        message: what it says of the others.
        probe: one of the others.

    Returns:
        What lifts the policy again, and returns once it is lifted.
    """
    policy = Policy(
        rig,
        "ValidatingAdmissionPolicy",
        {"validations": [{"expression": unless, "message": message}]},
        {"validationActions": ["Deny"]},
    )

    def refused(answer: Object | ApiError) -> bool:
        return isinstance(answer, ApiError) and message in answer.message

    policy.await_effect(probe, refused)
    return lambda: policy.lift(probe, refused)


def strip_label(rig: Rig, label: str) -> None:
    """Have the API server take a label off all new pods of the row's namespace.

    Args:
        rig: the row's.
        label: its key, without a slash.
    """
    there = f"has(object.metadata.labels) && {label!r} in object.metadata.labels"
    operation = f"[JSONPatch{{op: 'remove', path: '/metadata/labels/{label}'}}]"
    policy = Policy(
        rig,
        "MutatingAdmissionPolicy",
        {
            "reinvocationPolicy": "Never",
            "matchConditions": [{"name": "labelled", "expression": there}],
            "mutations": [{"patchType": "JSONPatch", "jsonPatch": {"expression": operation}}],
        },
        {},
    )
    probe = manifests.pod("probe", labels={label: "probe"})

    def stripped(answer: Object | ApiError) -> bool:
        return not isinstance(answer, ApiError) and label not in (answer["metadata"].get("labels") or {})

    policy.await_effect(probe, stripped)


def _served(rig: Rig, kind: str) -> tuple[Resource, Resource]:
    """The resources of a policy and of its binding, of the newest version served; where there is none, the row is skipped."""

    async def look() -> tuple[Resource, Resource] | None:
        discovery = Discovery(rig.client)
        for version in _VERSIONS:
            try:
                return (
                    await discovery.resource(f"{_GROUP}/{version}", kind),
                    await discovery.resource(f"{_GROUP}/{version}", f"{kind}Binding"),
                )
            except UsageError:
                continue
        return None

    found = rig.do(look)
    if found is None:
        pytest.skip(f"this API server serves no {kind}")
    return found
