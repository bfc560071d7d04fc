"""The OpenAPI documents: one for everything (v2), and one for each group version with a table of contents (v3)."""

from __future__ import annotations

import hashlib
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from pytest_daemonset.embedded import media
from pytest_daemonset.embedded.openapi import binary
from pytest_daemonset.embedded.openapi.operations import paths
from pytest_daemonset.embedded.openapi.schemas import V2, V3, schemas

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_daemonset.embedded.kinds.kind import Kind

Object = dict[str, Any]

_INFO = {"title": "Kubernetes", "version": "1.36"}
_SECURITY = {
    "BearerToken": {"type": "apiKey", "description": "A bearer token.", "name": "authorization", "in": "header"}
}


_BINARY = tuple(f"application/com.github.proto-openapi.spec.v2{at}v1.0+protobuf" for at in ".@")
"""What protobuf is called, and what older clients call it."""


class Document(NamedTuple):
    """A document and what tells its versions apart: the table of contents has no such thing."""

    body: bytes
    tag: str
    media_type: str = media.JSON


def _document(body: bytes, media_type: str = media.JSON) -> Document:
    return Document(body, hashlib.sha512(body).hexdigest().upper(), media_type)


class OpenApi:
    """The documents, made when they are first asked for.

    Args:
        kinds: what is served, each with its verbs.
    """

    def __init__(self, kinds: Sequence[tuple[Kind, Sequence[str]]]) -> None:
        self._kinds = kinds

    def find(self, path: str, accept: str = "") -> Document | None:
        """The document at a path, None if there is none.

        Args:
            accept: the header; "" accepts everything.
        """
        if path == "/openapi/v2":
            return self._v2 if media.pick(accept, (media.JSON, *_BINARY)) in {media.JSON, ""} else self._v2_binary
        if path == "/openapi/v3":
            return self._contents
        return self._v3.get(path.removeprefix("/openapi/v3/")) if path.startswith("/openapi/v3/") else None

    @cached_property
    def _v2(self) -> Document:
        told = {
            "swagger": "2.0",
            "info": _INFO,
            "paths": paths(self._kinds, V2),
            "definitions": schemas(self._kinds, V2),
            "securityDefinitions": _SECURITY,
            "security": [{"BearerToken": []}],
        }
        return _document(orjson.dumps(told))

    @cached_property
    def _v2_binary(self) -> Document:
        return _document(binary.encode(orjson.loads(self._v2.body)), _BINARY[0])

    @cached_property
    def _v3(self) -> dict[str, Document]:
        roots: dict[str, list[tuple[Kind, Sequence[str]]]] = {}
        for kind, verbs in self._kinds:
            root = f"apis/{kind.group}/{kind.version}" if kind.group else f"api/{kind.version}"
            roots.setdefault(root, []).append((kind, verbs))
        return {root: _document(orjson.dumps(self._version(kinds))) for root, kinds in roots.items()}

    def _version(self, kinds: Sequence[tuple[Kind, Sequence[str]]]) -> Object:
        components = {"schemas": schemas(kinds, V3), "securitySchemes": _SECURITY}
        return {"openapi": "3.0.0", "info": _INFO, "paths": paths(kinds, V3), "components": components}

    @cached_property
    def _contents(self) -> Document:
        told = {
            root: {"serverRelativeURL": f"/openapi/v3/{root}?hash={document.tag}"}
            for root, document in sorted(self._v3.items())
        }
        return Document(orjson.dumps({"paths": told}), "")
