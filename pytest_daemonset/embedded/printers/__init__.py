"""What `kubectl get` shows of each kind: the columns of tables and their cells (kubernetes, pkg/printers/internalversion)."""

from pytest_daemonset.embedded.printers.nodes import NODE
from pytest_daemonset.embedded.printers.others import (
    BINDING,
    CONFIG_MAP,
    CONTROLLER_REVISION,
    CUSTOM_RESOURCE_DEFINITION,
    DAEMON_SET,
    EVENT,
    LEASE,
    MUTATING_POLICY,
    NAMESPACE,
    POD_DISRUPTION_BUDGET,
    POLICY_BINDING,
    PRIORITY_CLASS,
    RESOURCE_QUOTA,
    SECRET,
    SERVICE_ACCOUNT,
    VALIDATING_POLICY,
    WEBHOOKS,
)
from pytest_daemonset.embedded.printers.pods import POD
from pytest_daemonset.embedded.printers.printer import NAMED, Column, Printer, table

__all__ = [
    "BINDING",
    "CONFIG_MAP",
    "CONTROLLER_REVISION",
    "CUSTOM_RESOURCE_DEFINITION",
    "DAEMON_SET",
    "EVENT",
    "LEASE",
    "MUTATING_POLICY",
    "NAMED",
    "NAMESPACE",
    "NODE",
    "POD",
    "POD_DISRUPTION_BUDGET",
    "POLICY_BINDING",
    "PRIORITY_CLASS",
    "RESOURCE_QUOTA",
    "SECRET",
    "SERVICE_ACCOUNT",
    "VALIDATING_POLICY",
    "WEBHOOKS",
    "Column",
    "Printer",
    "table",
]
