"""The four ways in which a check ends badly.

They are kept apart because they ask for different people: a `Violation` is the controller's fault, an `Inconclusive`
nobody's (we could not see), a `ClusterError` the machine's, a `UsageError` the test author's. Expected failures are
written ``xfail(raises=Violation, strict=True)``, so none of the other three can pass for one.
"""

from __future__ import annotations


class DaemonSetTestError(Exception):
    """What the four have in common, so that one ``except`` can take them all."""


class Violation(DaemonSetTestError, AssertionError):  # noqa: N818  (a finding, not an error of ours)
    """The controller under test broke its promise. The text names node, pods, reason, and since when."""


class Inconclusive(DaemonSetTestError):  # noqa: N818  (likewise)
    """No verdict: a gap in the watch, a dead reflector, or a request that the cluster does not imitate."""


class ClusterError(DaemonSetTestError):
    """The cluster, or a program that it is made of, did not do its part: it did not start, or it died."""


class UsageError(DaemonSetTestError):
    """The test, its options or its manifests ask for something that cannot be: told before anything is started."""
