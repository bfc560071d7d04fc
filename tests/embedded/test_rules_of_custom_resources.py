"""Rules in CEL, formats and defaults of custom resources, with the causes that kube-apiserver tells."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

import pytest
from embedded_server import Object, Session, serving

from pytest_daemonset.embedded.custom.definitions import define

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.asyncio

CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
THINGS = "/apis/ex.io/v1/namespaces/here/things"
RULES = "x-kubernetes-validations"
INTEGER, STRING = {"type": "integer"}, {"type": "string"}


def of(properties: Object, *rules: Object) -> Object:
    return {"type": "object", "properties": properties, RULES: list(rules)}


def definition(spec: Object, *rules: Object) -> Object:
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": of({"spec": spec}, *rules)}}
    names = {"plural": "things", "kind": "Thing"}
    return {
        "metadata": {"name": "things.ex.io"},
        "spec": {"group": "ex.io", "scope": "Namespaced", "names": names, "versions": [version]},
    }


@contextlib.asynccontextmanager
async def defining(spec: Object, *rules: Object) -> AsyncIterator[Session]:
    async with serving() as session:
        loop = asyncio.create_task(define(session.api))
        try:
            async with session.watch(f"{CRDS}?watch=true") as stream:
                code, said = await session.ask("POST", CRDS, definition(spec, *rules))
                assert code == 201, said
                await stream.take(2)
            yield session
        finally:
            loop.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await loop


def thing(name: str = "t", **spec: Any) -> Object:
    return {"apiVersion": "ex.io/v1", "kind": "Thing", "metadata": {"name": name}, "spec": spec}


async def causes(session: Session, obj: Object, method: str = "POST", path: str = THINGS) -> list[tuple[str, str]]:
    if method == "PUT":
        obj["metadata"] = (await session.ask("GET", path))[1]["metadata"]
    code, said = await session.ask(method, path, obj)
    if code < 300:
        return []
    assert code == 422, said["message"]
    return [(cause["field"], cause["message"]) for cause in said["details"]["causes"]]


ORDERED = {
    "rule": "self.a <= self.b",
    "messageExpression": "self.a > 2 ? 'a is too big' : 'other'",
    "reason": "FieldValueForbidden",
    "fieldPath": ".a",
}
SPEC = of(
    {
        "a": INTEGER,
        "b": INTEGER,
        "err": {**STRING, RULES: [{"rule": "int(self) > 0"}]},
        "list": {
            "type": "array",
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["k"],
            "items": of({"k": STRING, "v": {**INTEGER, RULES: [{"rule": "self >= oldSelf", "message": "only up"}]}}),
        },
        "map": {
            "type": "object",
            "additionalProperties": {**INTEGER, RULES: [{"rule": "self < 5", "message": "small"}]},
        },
        "since": {**STRING, "format": "date-time", RULES: [{"rule": "self > timestamp('2020-01-01T00:00:00Z')"}]},
        "type-of": {"x-kubernetes-int-or-string": True, RULES: [{"rule": "type(self) == int || self == 'x'"}]},
    },
    ORDERED,
    {"rule": "!has(self.map) || self.map.size() < 3", "message": "too many", "reason": "FieldValueInvalid"},
    {"rule": "self.b != 77", "reason": "FieldValueRequired", "message": "more"},
    {"rule": "self.b != 78", "reason": "FieldValueDuplicate", "message": "more"},
    {"rule": "self.?__type__dash__of.orValue(0) != 9"},
)


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ({"a": 1, "b": 2}, []),
        ({"a": 3, "b": 2}, [("spec.a", "Forbidden: a is too big")]),
        ({"b": 2}, [("spec", 'Invalid value: "object": no such key: a evaluating rule: self.a <= self.b')]),
        ({"a": 1, "b": 2, "map": {"x": 7}}, [("spec.map[x]", "Invalid value: 7: small")]),
        ({"a": 1, "b": 2, "map": {"x": 1, "y": 1, "z": 1}}, [("spec", "Invalid value: too many")]),
        ({"a": 1, "b": 77}, [("spec", "Required value: more")]),
        ({"a": 1, "b": 78}, [("spec", "Duplicate value")]),
        (
            {"a": 1, "b": 2, "since": "2010-01-01T00:00:00Z"},
            [
                (
                    "spec.since",
                    "Invalid value: \"2010-01-01T00:00:00Z\": failed rule: self > timestamp('2020-01-01T00:00:00Z')",
                )
            ],
        ),
        ({"a": 1, "b": 2, "since": "2030-01-01T00:00:00Z", "type-of": 3}, []),
        (
            {"a": 1, "b": 2, "type-of": "y"},
            [("spec.type-of", "Invalid value: \"y\": failed rule: type(self) == int || self == 'x'")],
        ),
    ],
)
async def test_rules_judge_new_objects(spec: Object, told: list[tuple[str, str]]) -> None:
    async with defining(SPEC) as session:
        assert await causes(session, thing(**spec)) == told


async def test_a_rule_without_a_value_is_told_with_the_type() -> None:
    async with defining(SPEC) as session:
        ((field, message),) = await causes(session, thing(a=1, b=2, err="x"))
    assert field == "spec.err"
    assert message.startswith('Invalid value: "string": ')
    assert message.endswith(" evaluating rule: int(self) > 0")


async def test_an_object_of_the_wrong_shape_is_not_judged_by_rules() -> None:
    async with defining(SPEC) as session:
        told = await causes(session, thing(a="x", b=1))
    assert [field for field, _ in told] == ["spec.a", "<nil>"]
    assert "some validation rules were not checked" in told[1][1]


async def test_rules_on_changes_know_what_was_there() -> None:
    steady = {**STRING, RULES: [{"rule": "self == oldSelf", "message": "title is immutable"}]}
    maybe = {
        **STRING,
        RULES: [{"rule": "oldSelf.hasValue() ? self == oldSelf.value() : self != 'x'", "optionalOldSelf": True}],
    }
    async with defining(of({**SPEC["properties"], "title": steady, "maybe": maybe})) as session:
        assert await causes(session, thing(maybe="x")) == [
            (
                "spec.maybe",
                "Invalid value: \"x\": failed rule: oldSelf.hasValue() ? self == oldSelf.value() : self != 'x'",
            )
        ]
        assert await causes(session, thing(title="n", maybe="o", list=[{"k": "x", "v": 3}, {"k": "y", "v": 9}])) == []
        one = f"{THINGS}/t"
        assert await causes(session, thing(title="m", maybe="o"), "PUT", one) == [
            ("spec.title", 'Invalid value: "m": title is immutable')
        ]
        # elements are the same by their keys, not by where they stand
        swapped = [{"k": "y", "v": 9}, {"k": "x", "v": 2}, {"k": "new", "v": 0}]
        assert await causes(session, thing(title="n", maybe="o", list=swapped), "PUT", one) == [
            ("spec.list[1].v", "Invalid value: 2: only up")
        ]
        assert await causes(session, thing(title="n"), "PUT", one) == []


async def test_what_was_there_before_a_rule_may_stay() -> None:
    async with defining(of({"a": INTEGER, "b": INTEGER})) as session:
        assert await causes(session, thing(a=9)) == []
        crd = (await session.ask("GET", f"{CRDS}/things.ex.io"))[1]
        schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
        schema["properties"]["spec"]["properties"]["a"][RULES] = [{"rule": "self < 5"}]
        async with session.watch(f"{CRDS}?watch=true&resourceVersion={crd['metadata']['resourceVersion']}") as stream:
            assert (await session.ask("PUT", f"{CRDS}/things.ex.io", crd))[0] == 200
            await stream.take(1)
        assert await causes(session, thing(a=9, b=1), "PUT", f"{THINGS}/t") == []
        assert await causes(session, thing(a=8), "PUT", f"{THINGS}/t") == [
            ("spec.a", "Invalid value: 8: failed rule: self < 5")
        ]


async def test_a_rule_of_the_whole_object_sees_its_name() -> None:
    async with defining(of({}), {"rule": "self.metadata.name.startsWith('t')"}) as session:
        assert await causes(session, thing("t")) == []
        assert await causes(session, thing("x")) == [
            ("<nil>", "Invalid value: failed rule: self.metadata.name.startsWith('t')")
        ]


@pytest.mark.parametrize(
    ("rule", "field", "message"),
    [
        ({"rule": ""}, "rule", "Required value: rule is not specified"),
        ({"rule": "self\n == 1"}, "message", "Required value: message must be specified if rule contains line breaks"),
        ({"rule": "true", "message": "x\ny"}, "message", 'Invalid value: "x\\ny": must not contain line breaks'),
        ({"rule": "true", "fieldPath": ".z"}, "fieldPath", 'Invalid value: ".z": must be a valid path'),
        ({"rule": "nobody > 1"}, "rule", "undeclared reference to 'nobody'"),
    ],
)
async def test_a_rule_that_makes_no_sense_is_refused_with_its_definition(
    rule: Object, field: str, message: str
) -> None:
    async with serving() as session:
        ((where, told),) = await causes(session, definition(of({"a": INTEGER}, rule)), path=CRDS)
    assert where == f"spec.validation.openAPIV3Schema.properties[spec].{RULES}[0].{field}"
    assert message in told


GOOD = {
    "date": ["2020-02-03"],
    "duration": ["5s", "1.5h", "3 days", "1 hour", "P1D"],
    "byte": ["YQ=="],
    "email": ["a@b", "A <a@b.c>"],
    "hostname": ["localhost", "a.example"],
    "ipv4": ["1.2.3.4", "01.2.3.4"],
    "ipv6": ["::1"],
    "cidr": ["1.2.3.4/24"],
    "mac": ["00-11-22-33-44-55", "001122334455"],
    "uri": ["/a", "a:b", "http://"],
    "uuid": ["a8098c1af86e11dabd1a00112444be1e", "A8098C1A-F86E-11DA-BD1A-00112444BE1E"],
    "date-time": ["2020-01-01T00:00:00+01:00", "2020-01-01t00:00:00z"],
    "password": [""],
    "nonsense": ["anything"],
}
BAD = {
    "date": ["2020-2-3", "2020-02-30"],
    "duration": ["1"],
    "byte": ["a", "YQ", "Y Q==", ""],
    "email": ["a"],
    "hostname": ["A_b", "a..b", "-a", "a.b", "x" * 64],
    "ipv4": ["1.2.3", "::1"],
    "cidr": ["1.2.3.4"],
    "uri": ["x", ""],
    "date-time": ["2020-01-01", "2020-01-01T00:00:00"],
    "uuid4": ["a8098c1a-f86e-11da-bd1a-00112444be1e"],
    "isbn": ["x"],
    "hexcolor": ["blue"],
    "k8s-short-name": ["A"],
}


async def test_formats_are_as_lax_as_in_kubernetes() -> None:
    formats = {name: {**STRING, "format": name} for name in (*GOOD, *BAD)}
    async with defining(of({**formats, "int32": {**INTEGER, "format": "int32"}})) as session:
        path = f"{THINGS}?dryRun=All"
        good = [(name, value) for name, values in GOOD.items() for value in values] + [("int32", 99999999999)]
        assert [each for each in good if await causes(session, thing(**{each[0]: each[1]}), path=path)] == []
        bad = [(name, value) for name, values in BAD.items() for value in values]
        assert [each for each in bad if not await causes(session, thing(**{each[0]: each[1]}), path=path)] == []
        assert await causes(session, thing(date="x")) == [
            ("spec.date", 'Invalid value: "x": spec.date in body must be of type date: "x"')
        ]


async def test_a_default_that_comes_later_is_read_off_what_was_there() -> None:
    async with defining(of({"a": INTEGER})) as session:
        _, kept = await session.ask("POST", THINGS, thing(a=1))
        crd = (await session.ask("GET", f"{CRDS}/things.ex.io"))[1]
        spec = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
        spec["properties"]["n"] = {**STRING, "default": "d"}
        async with session.watch(f"{CRDS}?watch=true&resourceVersion={crd['metadata']['resourceVersion']}") as stream:
            await session.ask("PUT", f"{CRDS}/things.ex.io", crd)
            await stream.take(1)
        _, read = await session.ask("GET", f"{THINGS}/t")
        _, listed = await session.ask("GET", THINGS)
    assert read["spec"] == listed["items"][0]["spec"] == {"a": 1, "n": "d"}
    assert read["metadata"]["resourceVersion"] == kept["metadata"]["resourceVersion"]
