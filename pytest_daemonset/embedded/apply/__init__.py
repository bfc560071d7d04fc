"""Server-side apply: who owns which field, and what that lets an applier change (kubernetes-sigs/structured-merge-diff)."""

from pytest_daemonset.embedded.apply.managers import Managers, Writer
from pytest_daemonset.embedded.apply.merging import ConflictError, Live, ShapeError, apply

__all__ = ["ConflictError", "Live", "Managers", "ShapeError", "Writer", "apply"]
