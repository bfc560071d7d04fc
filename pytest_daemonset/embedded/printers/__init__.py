"""What `kubectl get` shows of each kind: the columns of tables and their cells (kubernetes, pkg/printers/internalversion)."""

from pytest_daemonset.embedded.printers.nodes import NODE
from pytest_daemonset.embedded.printers.others import (
    CONFIG_MAP,
    CONTROLLER_REVISION,
    CUSTOM_RESOURCE_DEFINITION,
    DAEMON_SET,
    EVENT,
    LEASE,
    NAMESPACE,
    POD_DISRUPTION_BUDGET,
    SECRET,
    SERVICE_ACCOUNT,
    WEBHOOKS,
)
from pytest_daemonset.embedded.printers.pods import POD
from pytest_daemonset.embedded.printers.printer import NAMED, Column, Printer, table

__all__ = [
    "CONFIG_MAP",
    "CONTROLLER_REVISION",
    "CUSTOM_RESOURCE_DEFINITION",
    "DAEMON_SET",
    "EVENT",
    "LEASE",
    "NAMED",
    "NAMESPACE",
    "NODE",
    "POD",
    "POD_DISRUPTION_BUDGET",
    "SECRET",
    "SERVICE_ACCOUNT",
    "WEBHOOKS",
    "Column",
    "Printer",
    "table",
]
