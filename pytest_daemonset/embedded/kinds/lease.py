"""Leases, as leader election and kubelets use them."""

from __future__ import annotations

from pytest_daemonset.embedded import printers
from pytest_daemonset.embedded.kinds.fielderrors import FieldError, invalid
from pytest_daemonset.embedded.kinds.kind import Kind, Object


def _validate(obj: Object) -> list[FieldError]:
    spec = obj["spec"]
    errors = []
    if spec.get("leaseDurationSeconds", 1) <= 0:
        errors.append(invalid("spec.leaseDurationSeconds", spec["leaseDurationSeconds"], "must be greater than 0"))
    if spec.get("leaseTransitions", 0) < 0:
        text = "must be greater than or equal to 0"
        errors.append(invalid("spec.leaseTransitions", spec["leaseTransitions"], text))
    return errors


LEASE = Kind(
    group="coordination.k8s.io",
    version="v1",
    kind="Lease",
    plural="leases",
    singular="lease",
    printer=printers.LEASE,
    unconditional_update=False,
    create_on_update=True,
    on_validate_create=_validate,
    on_validate_update=lambda new, _old: _validate(new),
)
