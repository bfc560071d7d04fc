"""Requests are told apart by verb and resource as roles and audit logs do, and events of a stream where they end."""

from __future__ import annotations

import pytest
from yarl import URL

from pytest_daemonset.proxy.asked import Asked
from pytest_daemonset.proxy.frames import Chunks, Lengths, Lines, framing


@pytest.mark.parametrize(
    ("method", "path", "verb", "resource"),
    [
        ("GET", "/api/v1/pods", "list", "pods"),
        ("GET", "/api/v1/pods?watch=true", "watch", "pods"),
        ("GET", "/api/v1/pods?watch=0", "list", "pods"),
        ("GET", "/api/v1/namespaces/a/pods?watch=1", "watch", "pods"),
        ("GET", "/api/v1/namespaces", "list", "namespaces"),
        ("GET", "/api/v1/namespaces/a", "get", "namespaces"),
        ("POST", "/api/v1/namespaces/a/pods", "create", "pods"),
        ("POST", "/api/v1/namespaces/a/pods/b/binding", "create", "pods/binding"),
        ("PUT", "/apis/apps/v1/namespaces/a/daemonsets/b/status", "update", "daemonsets/status"),
        ("PATCH", "/apis/apps/v1/namespaces/a/daemonsets/b", "patch", "daemonsets"),
        ("DELETE", "/api/v1/nodes/a", "delete", "nodes"),
        ("DELETE", "/api/v1/namespaces/a/pods", "deletecollection", "pods"),
        ("GET", "/apis/apps/v1", "get", ""),
        ("GET", "/version", "get", ""),
    ],
)
def test_verb_and_resource(method: str, path: str, verb: str, resource: str) -> None:
    asked = Asked.of(method, URL(path))
    assert (asked.verb, asked.resource) == (verb, resource)


def test_where_a_watch_begins() -> None:
    asked = Asked.of("GET", URL("/api/v1/pods?watch=1&resourceVersion=12&sendInitialEvents=true"))
    assert (asked.version, asked.initial) == ("12", True)


def test_how_events_are_framed_is_read_off_the_answer() -> None:
    assert isinstance(framing({"Content-Type": "application/json;stream=watch"}), Lines)
    assert isinstance(framing({"Content-Type": "application/vnd.kubernetes.protobuf;stream=watch"}), Lengths)
    assert isinstance(framing({"Content-Type": "application/cbor-seq"}), Chunks)
    assert isinstance(framing({"Content-Type": "application/json", "Content-Encoding": "gzip"}), Chunks)


def test_an_empty_event_and_half_of_one() -> None:
    lengths = Lengths()
    assert lengths.feed(b"\0\0\0\0\0\0\0\2ab\0\0") == [b"\0\0\0\0", b"\0\0\0\2ab"]
    assert lengths.rest == b"\0\0"
    lines = Lines()
    assert lines.feed(b"a\n\nb") == [b"a\n", b"\n"]
    assert lines.rest == b"b"
