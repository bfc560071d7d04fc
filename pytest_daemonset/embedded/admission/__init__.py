"""Admission that projects configure: policies in CEL and webhooks (kubernetes/apiserver, pkg/admission/plugin)."""

from pytest_daemonset.embedded.admission.asking import Webhooks
from pytest_daemonset.embedded.admission.chain import Admission
from pytest_daemonset.embedded.admission.conversation import Consultation, Conversation
from pytest_daemonset.embedded.admission.request import CREATE, DELETE, UPDATE

__all__ = ["CREATE", "DELETE", "UPDATE", "Admission", "Consultation", "Conversation", "Webhooks"]
