"""How far each part of an object can be shared between field managers: the topology of a kind, from its table or its schema."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

from pytest_daemonset.embedded.kinds.fields import MESSAGES, Field, Message
from pytest_daemonset.embedded.kinds.scalars import SCALARS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Shape = Literal["leaf", "struct", "map", "keyed", "set", "deduced"]
Keys = tuple[tuple[str, Any], ...]


def _no_field(_: str) -> Node | None:
    return None


@dataclass(frozen=True, eq=False)
class Node:
    """One part.

    Args:
        shape: a leaf has one owner as a whole (a scalar, or an atomic list or map); a struct's and a map's fields, and a keyed list's
            and a set's elements have owners of their own; a deduced part is what its value looks like.
        field: the part under a field's name; None for a field that the kind does not have.
        element: what a map, a keyed list or a set is made of.
        keys: the names of a keyed list's keys, with what stands for one that is left out (None: it may not be left out).
    """

    shape: Shape
    field: Callable[[str], Node | None] = _no_field
    element: Node | None = None
    keys: Keys = ()

    def child(self, name: str) -> Node | None:
        """The part under a name in a JSON object."""
        if self.shape == "deduced":
            return DEDUCED
        found = self.field(name)
        return self.element if found is None else found


LEAF = Node("leaf")
DEDUCED = Node("deduced")

_ATOMIC = frozenset(
    {
        "LabelSelector",
        "NodeSelector",
        "NodeSelectorTerm",
        "ObjectReference",
        "LocalObjectReference",
        "TypedLocalObjectReference",
        "SecretReference",
        "SecretKeySelector",
        "ConfigMapKeySelector",
        "ObjectFieldSelector",
        "ResourceFieldSelector",
        "FileKeySelector",
        "RoleRef",
        "Subject",
        "OwnerReference",
        "ScopeSelector",
        "MatchResources",
        "NamedRuleWithOperations",
        "ParamKind",
        "ParamRef",
        "Variable",
    }
)
_ATOMIC_FIELDS = frozenset({("PodSpec", "nodeSelector"), ("ServiceSpec", "selector"), ("PodStatus", "hostIPs")})
_LIST_KEYS: Mapping[str, Keys] = MappingProxyType(
    {
        "ContainerPort": (("containerPort", 0), ("protocol", "TCP")),
        "ServicePort": (("port", 0), ("protocol", "TCP")),
        "TopologySpreadConstraint": (("topologyKey", ""), ("whenUnsatisfiable", "")),
    }
)


# Lists that a strategic merge patch replaces, and server-side apply merges all the same: by a key, or as a set ("").
_MERGED: Mapping[tuple[str, str], str] = MappingProxyType(
    {
        ("ResourceRequirements", "claims"): "name",
        ("ResourceStatus", "resources"): "resourceID",
        ("ValidatingAdmissionPolicyStatus", "conditions"): "type",
        ("CustomResourceDefinitionStatus", "conditions"): "type",
        ("ValidatingAdmissionPolicyBindingSpec", "validationActions"): "",
        ("ContainerRestartRuleOnExitCodes", "values"): "",
        ("NodeAllocatableResourceClaimStatus", "containers"): "",
    }
)


def is_whole(message: Message) -> bool:
    """Whether server-side apply takes such an object as one value."""
    return message.name in _ATOMIC


@lru_cache(maxsize=512)
def of_message(message: Message) -> Node:
    """The shape of a kind that is described by a table of fields."""
    if message.name in _ATOMIC:
        return LEAF
    return Node("struct", lru_cache(maxsize=128)(lambda name: _of_field(message, message.fields.get(name))))


def _of_field(message: Message, field: Field | None) -> Node | None:
    return None if field is None else of_field(message, field)


def of_field(message: Message, field: Field) -> Node:
    """The shape of one field of a message."""
    if (message.name, field.name) in _ATOMIC_FIELDS:
        return LEAF
    element = LEAF if field.type in SCALARS else of_message(MESSAGES[field.type])
    if field.shape == "one":
        return element
    if field.shape == "map":
        return Node("map", element=element)
    if field.type in _LIST_KEYS:
        return Node("keyed", element=element, keys=_LIST_KEYS[field.type])
    merge = _MERGED.get((message.name, field.name), field.merge)
    if merge is None:
        return LEAF
    if merge == "":
        return Node("set", element=element)
    # elements that only refer to something are wholes inside of their list, but the list has keys all the same
    return Node("keyed", element=element, keys=((merge, _left_out(MESSAGES[field.type], merge)),))


def _left_out(message: Message, name: str) -> Any:
    """What stands for a key that is not there: in Kubernetes' schemas, what Go always writes has its zero value as the default."""
    key = message.fields[name]
    return SCALARS[key.type].zero if key.always or message.name == "LocalObjectReference" else None


_ROOT_FIELDS: Mapping[str, Node] = MappingProxyType({"apiVersion": LEAF, "kind": LEAF})


def of_schema(schema: Mapping[str, Any]) -> Node:
    """The shape of a custom resource, by its structural schema."""
    whole = _of_schema(schema)
    metadata = of_message(MESSAGES["ObjectMeta"])

    def field(name: str) -> Node | None:
        return metadata if name == "metadata" else _ROOT_FIELDS.get(name) or whole.child(name)

    return Node("struct", field)


def _of_schema(schema: Mapping[str, Any]) -> Node:
    if schema.get("x-kubernetes-int-or-string"):
        return LEAF
    kind = schema.get("type")
    if kind == "object":
        return _of_object(schema)
    if kind == "array":
        return _of_array(schema)
    return LEAF if kind else DEDUCED


def _of_object(schema: Mapping[str, Any]) -> Node:
    if schema.get("x-kubernetes-map-type") == "atomic":
        return LEAF
    properties, more = schema.get("properties") or {}, schema.get("additionalProperties")
    if more:
        return Node("map", element=_of_schema(more) if isinstance(more, dict) else DEDUCED)
    known = {name: _of_schema(each) for name, each in properties.items()}
    if schema.get("x-kubernetes-embedded-resource"):
        known = {"metadata": of_message(MESSAGES["ObjectMeta"]), **_ROOT_FIELDS, **known}
    if schema.get("x-kubernetes-preserve-unknown-fields"):
        return Node("struct", known.get, DEDUCED)
    return Node("struct", known.get)


def _of_array(schema: Mapping[str, Any]) -> Node:
    items = schema.get("items") or {}
    how = schema.get("x-kubernetes-list-type")
    if how == "set":
        return Node("set", element=LEAF)
    if how == "map":
        properties = items.get("properties") or {}
        names = schema.get("x-kubernetes-list-map-keys") or ()
        keys = tuple((name, (properties.get(name) or {}).get("default")) for name in names)
        return Node("keyed", element=_of_schema(items), keys=keys)
    return LEAF
