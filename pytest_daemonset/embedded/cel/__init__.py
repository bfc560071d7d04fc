"""CEL, the expression language of admission policies and of rules in custom resources, in the dialect of Kubernetes.

Own code, because no library has what Kubernetes' expressions use: optional types (`a.?b.orValue(c)`), `Object{...}` and `JSONPatch{...}`,
and the functions that Kubernetes adds; the one that comes near (cel-expr-python) has no such structs and no Python 3.10.
"""

from pytest_daemonset.embedded.cel.program import LONGEST_MESSAGE, Program, compiled
from pytest_daemonset.embedded.cel.values import NONE, CelError, Optional, Struct, plain

__all__ = ["LONGEST_MESSAGE", "NONE", "CelError", "Optional", "Program", "Struct", "compiled", "plain"]
