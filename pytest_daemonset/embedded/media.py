"""Content negotiation: in which form an answer is wanted, by its Accept header (kubernetes/apiserver, endpoints/handlers/negotiation)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Literal, NamedTuple

from pytest_daemonset.embedded import statuses

if TYPE_CHECKING:
    from collections.abc import Sequence

JSON = "application/json"
YAML = "application/yaml"
PROTOBUF = "application/vnd.kubernetes.protobuf"
ACCEPTED = (JSON, YAML, PROTOBUF)
STREAMS = (JSON, PROTOBUF)

Shape = Literal["whole", "metadata", "metadata list", "table", "groups"]
_GROUPS = ";g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
_SHAPES: dict[str, Shape] = {
    "Table": "table",
    "PartialObjectMetadata": "metadata",
    "PartialObjectMetadataList": "metadata list",
}


@dataclass(frozen=True)
class Form:
    """How an answer is written.

    Args:
        media_type: one of `ACCEPTED`.
        shape: objects or lists whole, the metadata of an object or of a list alone, a table for people, or, of what is discovered,
            all groups at once.
        version: of meta.k8s.io, for tables and metadata.
    """

    media_type: str = JSON
    shape: Shape = "whole"
    version: str = "v1"

    @property
    def content_type(self) -> str:
        """The Content-Type of an answer."""
        return self.media_type + (_GROUPS if self.shape == "groups" else "")

    @property
    def stream_type(self) -> str:
        """The Content-Type of a watch."""
        return self.media_type if self.media_type == JSON else f"{self.media_type};stream=watch"


PLAIN = Form()


_FEW = 12  # more than these Go sorts otherwise, and so do we: what is done here takes the square of their number
_SHORT = 1024


class _Clause(NamedTuple):
    type: str
    subtype: str
    quality: float
    parameters: dict[str, str]


def _clauses(accept: str) -> list[_Clause]:
    """The clauses of an Accept header, the most wanted first."""
    found: list[_Clause] = []
    for said in accept.split(","):
        name, *rest = (part.strip() for part in said.split(";"))
        type_, slash, subtype = name.partition("/")
        if not slash:
            # one star alone is read as */*, as Go's clients of old send it
            if name != "*":
                continue
            subtype = "*"
        parameters = dict(part.partition("=")[::2] for part in rest)
        try:
            quality = float(parameters.pop("q", 1.0))
            quality = 1.0 if math.isnan(quality) else quality
        except ValueError:
            quality = 1.0
        found.append(_Clause(type_.strip(), subtype.strip(), quality, parameters))
    if len(found) > _FEW:
        return sorted(found, key=lambda each: (each.type == "*", each.subtype == "*", -each.quality))
    # goautoneg's order is no order (a star yields even to what is wanted less): only its own way of sorting gives it
    for end in range(1, len(found)):
        at = end
        while at and _before(found[at], found[at - 1]):
            found[at], found[at - 1] = found[at - 1], found[at]
            at -= 1
    return found


def _before(one: _Clause, other: _Clause) -> bool:
    return (
        one.quality > other.quality
        or (one.type != "*" and other.type == "*")
        or (one.subtype != "*" and other.subtype == "*")
    )


def negotiate(accept: str, *, stream: bool = False, shapes: bool = True, custom: bool = False) -> Form:
    """The form that a request wants most, of those that are written.

    Args:
        accept: the header; "" accepts everything.
        stream: the answer is a watch.
        shapes: tables and metadata can be had.
        custom: it is a custom resource, of which protobuf knows the metadata only.

    Raises:
        StatusError: 406.
    """
    if not accept:
        return PLAIN
    # long ones would fill the memory
    find = _negotiate if len(accept) <= _SHORT else _negotiate.__wrapped__
    return find(accept, stream, shapes, custom)


def _is_routed(accept: str) -> bool:
    """Whether go-restful finds a route for it: unlike the handler behind it, it knows no `application/*`, and no star alone."""
    names = (said.partition(";")[0].strip() for said in accept.split(","))
    return any(name == "*/*" or name in ACCEPTED for name in names)


@lru_cache(maxsize=1024)
def _negotiate(accept: str, stream: bool, shapes: bool, custom: bool) -> Form:
    if not custom and not _is_routed(accept):
        raise statuses.not_acceptable(", ".join(STREAMS if stream else ACCEPTED))
    for clause in _clauses(accept):
        for media_type in ACCEPTED:
            type_, _, subtype = media_type.partition("/")
            if clause.type not in {type_, "*"} or clause.subtype not in {subtype, "*"}:
                continue
            form = _form(media_type, clause.parameters, shapes)
            if form is None or (custom and form == Form(PROTOBUF)):
                continue
            if stream and media_type not in STREAMS:
                raise statuses.not_acceptable(", ".join(STREAMS))
            return form
    raise statuses.not_acceptable(", ".join(STREAMS if stream else ACCEPTED))


def _form(media_type: str, parameters: dict[str, str], shapes: bool) -> Form | None:
    if "stream" in parameters and (parameters["stream"] != "watch" or media_type not in STREAMS):
        return None
    if parameters.get("sv", "v1") != "v1":
        return None
    if "as" not in parameters:
        return Form(media_type)
    shape, version = _SHAPES.get(parameters["as"]), parameters.get("v", "")
    if not shapes or shape is None or parameters.get("g") != "meta.k8s.io" or version not in {"v1", "v1beta1"}:
        return None
    if shape == "table" and media_type == PROTOBUF:
        return None
    return Form(media_type, shape, version)


def pick(accept: str, offered: Sequence[str]) -> str:
    """The media type that a request wants most, of some that are offered; "" for none of them.

    Args:
        accept: the header; "" accepts everything.
    """
    for clause in _clauses(accept or "*/*"):
        for media_type in offered:
            type_, _, subtype = media_type.partition("/")
            if clause.type in {type_, "*"} and clause.subtype in {subtype, "*"}:
                return media_type
    return ""


@lru_cache(maxsize=64)
def negotiate_discovery(accept: str, *, groups: bool, routed: bool) -> Form:
    """The form in which somebody wants to be told what there is.

    Args:
        accept: the header; "" accepts everything.
        groups: all groups at once can be had here.
        routed: a route leads there, which `application/*` does not find.

    Raises:
        StatusError: 406.
    """
    if accept and routed and not _is_routed(accept):
        raise statuses.not_acceptable(", ".join(ACCEPTED))
    for clause in _clauses(accept) if accept else ():
        for media_type in ACCEPTED:
            type_, _, subtype = media_type.partition("/")
            if clause.type not in {type_, "*"} or clause.subtype not in {subtype, "*"}:
                continue
            if "as" not in clause.parameters:
                return Form(media_type)
            wanted = tuple(clause.parameters.get(name) for name in ("g", "v", "as"))
            if groups and wanted == ("apidiscovery.k8s.io", "v2", "APIGroupDiscoveryList"):
                return Form(media_type, "groups")
    return negotiate(accept, shapes=False)


def accepts_gzip(said: str) -> bool:
    """Whether an Accept-Encoding header lets an answer be compressed."""
    return any(part.partition(";")[0].strip() == "gzip" for part in said.split(","))
