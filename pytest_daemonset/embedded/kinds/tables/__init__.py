"""Which fields objects have: the wire contract of Kubernetes v1.36, for the kinds that are served."""

from pytest_daemonset.embedded.kinds.tables import objects, podspec, podstatus, volumes

TABLES = (objects.TABLE, podspec.TABLE, volumes.TABLE, podstatus.TABLE)
