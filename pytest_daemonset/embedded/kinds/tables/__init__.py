"""Which fields objects have: the wire contract of Kubernetes v1.36, for the kinds that are served and those beside them."""

from pytest_daemonset.embedded.kinds.tables import (
    access,
    admission,
    extensions,
    meta,
    neighbours,
    objects,
    podspec,
    podstatus,
    volumes,
)

TABLES = (
    objects.TABLE,
    podspec.TABLE,
    volumes.TABLE,
    podstatus.TABLE,
    meta.TABLE,
    access.TABLE,
    admission.TABLE,
    neighbours.TABLE,
    extensions.TABLE,
)
