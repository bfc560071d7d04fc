"""The kinds of object that the server serves, and the rules of each."""

from pytest_daemonset.embedded.kinds import admission, empty, webhooks
from pytest_daemonset.embedded.kinds.configmap import CONFIGMAP
from pytest_daemonset.embedded.kinds.controllerrevision import CONTROLLER_REVISION
from pytest_daemonset.embedded.kinds.customresourcedefinition import CUSTOM_RESOURCE_DEFINITION_KIND
from pytest_daemonset.embedded.kinds.daemonset import DAEMON_SET
from pytest_daemonset.embedded.kinds.event import EVENT
from pytest_daemonset.embedded.kinds.eventsevent import EVENTS_EVENT, from_core, to_core
from pytest_daemonset.embedded.kinds.fielderrors import AdmissionError, DecodeError, FieldError
from pytest_daemonset.embedded.kinds.kind import Kind
from pytest_daemonset.embedded.kinds.lease import LEASE
from pytest_daemonset.embedded.kinds.limitrange import LIMIT_RANGE
from pytest_daemonset.embedded.kinds.namespace import NAMESPACE
from pytest_daemonset.embedded.kinds.node import NODE
from pytest_daemonset.embedded.kinds.pod import POD
from pytest_daemonset.embedded.kinds.poddisruptionbudget import POD_DISRUPTION_BUDGET
from pytest_daemonset.embedded.kinds.priorityclass import PRIORITY_CLASS
from pytest_daemonset.embedded.kinds.rbac import CLUSTER_ROLE, CLUSTER_ROLE_BINDING, ROLE, ROLE_BINDING
from pytest_daemonset.embedded.kinds.resourcequota import RESOURCE_QUOTA
from pytest_daemonset.embedded.kinds.secret import SECRET
from pytest_daemonset.embedded.kinds.serviceaccount import SERVICE_ACCOUNT

ALL_KINDS = (
    NAMESPACE,
    NODE,
    POD,
    CONFIGMAP,
    SECRET,
    SERVICE_ACCOUNT,
    EVENT,
    DAEMON_SET,
    CONTROLLER_REVISION,
    LEASE,
    CUSTOM_RESOURCE_DEFINITION_KIND,
    ROLE,
    ROLE_BINDING,
    CLUSTER_ROLE,
    CLUSTER_ROLE_BINDING,
    POD_DISRUPTION_BUDGET,
    RESOURCE_QUOTA,
    LIMIT_RANGE,
    PRIORITY_CLASS,
    *admission.KINDS,
    *webhooks.KINDS,
    *empty.KINDS,
)

MIRRORED = (("events", EVENTS_EVENT, from_core, to_core),)
"""Kinds that show what is kept as another kind: the resource that is kept, the kind, and the conversions forth and back."""

__all__ = ["ALL_KINDS", "MIRRORED", "AdmissionError", "DecodeError", "FieldError", "Kind"]
