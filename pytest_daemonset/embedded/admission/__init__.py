"""Admission that projects configure: policies in CEL (kubernetes/apiserver, pkg/admission/plugin/policy)."""

from pytest_daemonset.embedded.admission.chain import Admission
from pytest_daemonset.embedded.admission.request import CREATE, DELETE, UPDATE

__all__ = ["CREATE", "DELETE", "UPDATE", "Admission"]
