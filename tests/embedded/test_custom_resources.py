"""Custom resources: defined, served, pruned, owned, watched and withdrawn while the server runs."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

from embedded_server import Session, serving

from pytest_daemonset.embedded.custom.definitions import define
from pytest_daemonset.embedded.loops.garbage import collect

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

Object = dict[str, Any]

CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
AGENTS = "/apis/example.com/v1/namespaces/here/nodeagents"
MERGE = "application/merge-patch+json"
SPEC = {
    "type": "object",
    "required": ["selector"],
    "properties": {
        "selector": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
        "replicas": {"type": "integer", "minimum": 0, "default": 1},
        "mode": {"type": "string", "enum": ["a", "b"]},
        "ports": {
            "type": "array",
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["name"],
            "items": {
                "type": "object",
                "required": ["name"],
                "properties": {"name": {"type": "string"}, "port": {"type": "integer"}},
            },
        },
    },
}
SCHEMA = {
    "type": "object",
    "properties": {"spec": SPEC, "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
}


def version(name: str, storage: bool = False, **more: Any) -> Object:
    return {"name": name, "served": True, "storage": storage, "schema": {"openAPIV3Schema": SCHEMA}, **more}


def definition(*versions: Object, **names: Any) -> Object:
    said = {"plural": "nodeagents", "kind": "NodeAgent", "shortNames": ["na"], **names}
    spec = {"group": "example.com", "scope": "Namespaced", "names": said, "versions": list(versions)}
    return {"metadata": {"name": f"{said['plural']}.example.com"}, "spec": spec}


def agent(name: str, **spec: Any) -> Object:
    return {
        "apiVersion": "example.com/v1",
        "kind": "NodeAgent",
        "metadata": {"name": name},
        "spec": {"selector": {}, **spec},
    }


@contextlib.asynccontextmanager
async def defined(*versions: Object) -> AsyncIterator[Session]:
    async with serving() as server:
        loops = [asyncio.create_task(define(server.api)), asyncio.create_task(collect(server.api, None))]  # type: ignore[arg-type]
        try:
            whole = definition(*(versions or (version("v1", storage=True, subresources={"status": {}}),)))
            assert (await server.ask("POST", CRDS, whole))[0] == 201
            await until(server, AGENTS, 200)
            yield server
        finally:
            for loop in loops:
                loop.cancel()
            await asyncio.gather(*loops, return_exceptions=True)


async def until(server: Session, path: str, status: int) -> None:
    for _ in range(200):
        if (await server.ask("GET", path))[0] == status:
            return
        await asyncio.sleep(0)
    raise AssertionError(f"{path} never answered {status}")


def test_a_daemonset_like_resource_lives_as_a_built_in_one_does() -> None:
    async def scenario() -> None:
        async with defined() as server, server.watch(f"{AGENTS}?watch=1") as events:
            status, made = await server.ask("POST", AGENTS, agent("a"))
            assert (status, made["spec"]["replicas"]) == (201, 1)
            assert (await events.next())["object"] == made
            patched = await server.ask("PATCH", f"{AGENTS}/a", {"spec": {"mode": "b"}}, Content_Type=MERGE)
            assert patched[1]["metadata"]["generation"] == 2
            assert (await events.next())["type"] == "MODIFIED"
            _, told = await server.ask(
                "PATCH", f"{AGENTS}/a/status", {"status": {"numberReady": 1}}, Content_Type=MERGE
            )
            assert (told["status"], told["metadata"]["generation"]) == ({"numberReady": 1}, 2)
            _, found = await server.ask("GET", f"{AGENTS}?labelSelector=x")
            assert found["items"] == []
            assert (await server.ask("DELETE", f"{AGENTS}/a"))[1]["status"] == "Success"
            assert [(await events.next())["type"] for _ in range(2)] == ["MODIFIED", "DELETED"]

    asyncio.run(scenario())


def test_causes_name_the_fields() -> None:
    async def scenario() -> None:
        async with defined() as server:
            wrong = agent("a", mode="c", replicas=-1, ports=[{"name": "x"}, {"name": "x", "port": "y"}])
            status, refused = await server.ask("POST", AGENTS, wrong)
            assert status == 422
            causes = {cause["field"]: cause["reason"] for cause in refused["details"]["causes"]}
            assert causes == {
                "spec.mode": "FieldValueNotSupported",
                "spec.replicas": "FieldValueInvalid",
                "spec.ports[1].port": "FieldValueTypeInvalid",
                "spec.ports[1]": "FieldValueDuplicate",
            }
            strict = await server.ask("POST", f"{AGENTS}?fieldValidation=Strict", agent("a", odd={"x": 1}))
            assert (strict[0], 'unknown field "spec.odd"' in strict[1]["message"]) == (400, True)

    asyncio.run(scenario())


def test_another_kind_is_invalid_and_another_version_cannot_be_read() -> None:
    async def scenario() -> None:
        async with defined() as server:
            assert (await server.ask("POST", AGENTS, agent("a")))[0] == 201
            other = {**agent("a"), "kind": "Other"}
            for method, path, media_type in (
                ("POST", AGENTS, "application/json"),
                ("PUT", f"{AGENTS}/a", "application/json"),
                ("PATCH", f"{AGENTS}/a", MERGE),
            ):
                status, refused = await server.ask(method, path, other, Content_Type=media_type)
                assert (status, refused["details"]["kind"]) == (422, "Other")
                assert [each["field"] for each in refused["details"]["causes"]] == ["kind"]
            for wrong in ({"apiVersion": "example.com/v2"}, {"kind": 5}, {"kind": ""}):
                assert (await server.ask("POST", AGENTS, {**agent("b"), **wrong}))[0] == 400

    asyncio.run(scenario())


def test_pods_go_with_the_custom_resource_that_owns_them_and_it_with_its_owner() -> None:
    async def scenario() -> None:
        async with defined() as server:
            maps, pods = "/api/v1/namespaces/here/configmaps", "/api/v1/namespaces/here/pods"
            _, top = await server.ask("POST", maps, {"metadata": {"name": "top"}})

            def owned(by: Object) -> list[Object]:
                return [
                    {key: by[key] for key in ("apiVersion", "kind")}
                    | {key: by["metadata"][key] for key in ("name", "uid")}
                ]

            middle = agent("a")
            middle["metadata"]["ownerReferences"] = owned(top)
            _, middle = await server.ask("POST", AGENTS, middle)
            pod = {"metadata": {"name": "p", "ownerReferences": owned(middle)}}
            await server.ask("POST", pods, {**pod, "spec": {"containers": [{"name": "c", "image": "i"}]}})
            await server.ask("DELETE", f"{maps}/top")
            await until(server, f"{AGENTS}/a", 404)
            await until(server, f"{pods}/p", 404)

    asyncio.run(scenario())


def test_the_objects_go_before_their_definition_and_finalizers_hold_both() -> None:
    async def scenario() -> None:
        async with defined() as server:
            held = agent("held")
            held["metadata"]["finalizers"] = ["example.com/hold"]
            await server.ask("POST", AGENTS, held)
            await server.ask("POST", AGENTS, agent("free"))
            await server.ask("DELETE", f"{CRDS}/nodeagents.example.com")
            await until(server, f"{AGENTS}/free", 404)
            assert (await server.ask("GET", f"{AGENTS}/held"))[0] == 200
            async with server.watch(f"{AGENTS}?watch=1&resourceVersion={server.api.store.rv}") as events:
                await server.ask("PATCH", f"{AGENTS}/held", {"metadata": {"finalizers": None}}, Content_Type=MERGE)
                assert (await events.next())["type"] == "DELETED"
                assert await events.next() is None
            await until(server, f"{CRDS}/nodeagents.example.com", 404)
            assert await server.ask("GET", AGENTS) == (404, "404 page not found\n")
            # and it can be defined again
            await server.ask("POST", CRDS, definition(version("v1", storage=True)))
            await until(server, AGENTS, 200)

    asyncio.run(scenario())


def test_versions_show_the_same_objects() -> None:
    async def scenario() -> None:
        async with defined(version("v1beta1", storage=True), version("v1")) as server:
            beta = AGENTS.replace("v1", "v1beta1")
            await server.ask("POST", AGENTS, agent("a"))
            _, seen = await server.ask("GET", f"{beta}/a")
            assert seen["apiVersion"] == "example.com/v1beta1"
            _, patched = await server.ask("PATCH", f"{beta}/a", {"spec": {"mode": "a"}}, Content_Type=MERGE)
            _, now = await server.ask("GET", f"{AGENTS}/a")
            assert (now["spec"], now["apiVersion"]) == (patched["spec"], "example.com/v1")
            _, group = await server.ask("GET", "/apis/example.com")
            assert [each["version"] for each in group["versions"]] == ["v1", "v1beta1"]
            assert (await server.ask("DELETE", f"{beta}/a"))[0] == 200
            assert (await server.ask("GET", f"{AGENTS}/a"))[0] == 404

    asyncio.run(scenario())


def test_a_changed_schema_counts_from_then_on_and_the_objects_stay() -> None:
    async def scenario() -> None:
        async with defined() as server:
            await server.ask("POST", AGENTS, agent("a"))
            patch = [
                {
                    "op": "add",
                    "path": "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/more",
                    "value": {"type": "string"},
                }
            ]
            status, _ = await server.ask(
                "PATCH", f"{CRDS}/nodeagents.example.com", patch, Content_Type="application/json-patch+json"
            )
            assert status == 200
            for _ in range(50):
                _, found = await server.ask("PATCH", f"{AGENTS}/a", {"spec": {"more": "x"}}, Content_Type=MERGE)
                if "more" in found["spec"]:
                    return
            raise AssertionError("the new field is still pruned")

    asyncio.run(scenario())


def test_the_number_of_replicas_has_a_url_of_its_own() -> None:
    async def scenario() -> None:
        scale = {
            "specReplicasPath": ".spec.replicas",
            "statusReplicasPath": ".status.replicas",
            "labelSelectorPath": ".status.selector",
        }
        async with defined(version("v1", storage=True, subresources={"status": {}, "scale": scale})) as server:
            await server.ask("POST", AGENTS, agent("a", replicas=2))
            await server.ask(
                "PATCH", f"{AGENTS}/a/status", {"status": {"replicas": 1, "selector": "a=b"}}, Content_Type=MERGE
            )
            _, told = await server.ask("GET", f"{AGENTS}/a/scale")
            assert (told["kind"], told["spec"], told["status"]) == (
                "Scale",
                {"replicas": 2},
                {"replicas": 1, "selector": "a=b"},
            )
            status, told = await server.ask("PATCH", f"{AGENTS}/a/scale", {"spec": {"replicas": 5}}, Content_Type=MERGE)
            assert (status, told["spec"]) == (200, {"replicas": 5})
            told["spec"]["replicas"] = 6
            assert (await server.ask("PUT", f"{AGENTS}/a/scale", told))[1]["spec"] == {"replicas": 6}
            _, whole = await server.ask("GET", f"{AGENTS}/a")
            assert (whole["spec"]["replicas"], whole["metadata"]["generation"]) == (6, 3)
            assert (await server.ask("PATCH", f"{AGENTS}/a/scale", {"spec": {"replicas": -1}}, Content_Type=MERGE))[
                0
            ] == 422

    asyncio.run(scenario())


def test_columns_are_those_of_the_definition() -> None:
    async def scenario() -> None:
        columns = [
            {"name": "Mode", "type": "string", "jsonPath": ".spec.mode"},
            {"name": "Ready", "type": "string", "jsonPath": '.status.conditions[?(@.type=="Ready")].status'},
        ]
        async with defined(version("v1", storage=True, additionalPrinterColumns=columns)) as server:
            ready = {"conditions": [{"type": "Other", "status": "no"}, {"type": "Ready", "status": "yes"}]}
            await server.ask("POST", AGENTS, {**agent("a", mode="b"), "status": ready})
            _, table = await server.ask("GET", AGENTS, Accept="application/json;as=Table;v=v1;g=meta.k8s.io")
            assert [each["name"] for each in table["columnDefinitions"]] == ["Name", "Mode", "Ready"]
            assert table["rows"][0]["cells"] == ["a", "b", "yes"]

    asyncio.run(scenario())


def test_names_that_are_taken_are_not_served_until_they_are_free() -> None:
    async def scenario() -> None:
        async with defined() as server:
            other = definition(
                version("v1", storage=True), plural="others", singular="other", kind="Other", shortNames=["na"]
            )
            await server.ask("POST", CRDS, other)
            for _ in range(50):
                _, told = await server.ask("GET", f"{CRDS}/others.example.com")
                if told["status"]["conditions"]:
                    break
            states = {each["type"]: (each["status"], each["reason"]) for each in told["status"]["conditions"]}
            assert states == {"NamesAccepted": ("False", "ShortNamesConflict"), "Established": ("False", "NotAccepted")}
            others = "/apis/example.com/v1/namespaces/here/others"
            assert (await server.ask("GET", others))[0] == 404
            await server.ask("DELETE", f"{CRDS}/nodeagents.example.com")
            await until(server, others, 200)

    asyncio.run(scenario())


def test_conversion_by_webhook_is_not_imitated() -> None:
    async def scenario() -> None:
        async with serving() as server:
            wanted = definition(version("v1", storage=True))
            wanted["spec"]["conversion"] = {"strategy": "Webhook"}
            assert (await server.ask("POST", CRDS, wanted))[0] == 501

    asyncio.run(scenario())


def test_a_definition_that_makes_no_sense_is_refused_with_causes() -> None:
    async def scenario() -> None:
        async with serving() as server:
            wrong = definition(
                {
                    "name": "v1",
                    "served": True,
                    "storage": False,
                    "schema": {"openAPIV3Schema": {"type": "object", "properties": {"a": {}}}},
                }
            )
            wrong["metadata"]["name"] = "else.example.com"
            status, refused = await server.ask("POST", CRDS, wrong)
            assert status == 422
            fields = {cause["field"] for cause in refused["details"]["causes"]}
            path = "spec.validation.openAPIV3Schema.properties[a].type"
            assert fields == {"metadata.name", "spec.versions", path}

    asyncio.run(scenario())


def test_what_stays_as_it_was_is_not_judged_by_a_newer_schema() -> None:
    ports = {"type": "array", "items": {"type": "object", "properties": {"n": {"type": "string"}, "p": {}}}}
    keyed = {**ports, "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["n"]}

    def spec(kind: str, *required: str) -> Object:
        items = {**ports["items"], "properties": {"n": {"type": "string"}, "p": {"type": kind}}}
        properties = {
            "a": {"type": kind},
            "b": {"type": "string"},
            "keyed": {**keyed, "items": {**items, "required": ["n"]}},
            "plain": {**ports, "items": items},
        }
        return {
            "type": "object",
            "properties": {"spec": {"type": "object", "properties": properties, "required": [*required]}},
        }

    def versions(schema: Object) -> list[Object]:
        return [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}]

    async def scenario() -> None:
        async with defined(*versions(spec("integer"))) as server:
            lists = {"keyed": [{"n": "x", "p": 1}, {"n": "y", "p": 2}], "plain": [{"n": "x", "p": 1}]}
            assert (await server.ask("POST", AGENTS, {**agent("a"), "spec": {"a": 1, **lists}}))[0] == 201
            path = f"{CRDS}/nodeagents.example.com"
            newer = {"spec": {"versions": versions(spec("string", "b"))}}
            assert (await server.ask("PATCH", path, newer, Content_Type=MERGE))[0] == 200

            async def patched(**more: Any) -> tuple[int, list[str]]:
                status, told = await server.ask("PATCH", f"{AGENTS}/a", more, Content_Type=MERGE)
                return status, [each["field"] for each in (told.get("details") or {}).get("causes", [])]

            assert (await server.ask("POST", AGENTS, {**agent("b"), "spec": {"a": 1, **lists}}))[0] == 422
            # a finalizer is taken off, whatever became of the schema
            assert await patched(metadata={"finalizers": ["example.com/x"]}) == (200, [])
            assert await patched(metadata={"finalizers": None}) == (200, [])
            # what is beside a change may stay, but for what is missing there now
            assert await patched(spec={"b": "x"}) == (200, [])
            assert await patched(spec={"b": None}) == (422, ["spec.b"])
            assert await patched(spec={"a": 2}) == (422, ["spec.a"])
            assert await patched(spec={"a": True}) == (422, ["spec.a"])
            # elements of keyed lists are known again, those of others are not
            assert await patched(spec={"keyed": [{"n": "y", "p": 2}]}) == (200, [])
            assert await patched(spec={"keyed": [{"n": "y", "p": 3}]}) == (422, ["spec.keyed[0].p"])
            assert await patched(spec={"plain": [{"n": "x", "p": 1}, {"n": "y"}]}) == (422, ["spec.plain[0].p"])

    asyncio.run(scenario())
