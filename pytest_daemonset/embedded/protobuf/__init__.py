"""Kubernetes' protobuf form of objects: from the field tables to bytes and back, without a protobuf runtime.

The runtime of Google would only give messages: what costs is turning them into JSON objects, and for that there are the tables.
Measured, it is slower (see benchmarks/protobuf.py).
"""

from pytest_daemonset.embedded.protobuf.decoding import decoder, raw_extension
from pytest_daemonset.embedded.protobuf.encoding import encoder
from pytest_daemonset.embedded.protobuf.envelope import MAGIC, Envelope, enveloped, event_frame, list_message, opened
from pytest_daemonset.embedded.protobuf.wire import MalformedError

__all__ = [
    "MAGIC",
    "Envelope",
    "MalformedError",
    "decoder",
    "encoder",
    "enveloped",
    "event_frame",
    "list_message",
    "opened",
    "raw_extension",
]
