"""In which form answers come: JSON, YAML, protobuf, tables, metadata alone, compressed; and what is refused."""

from __future__ import annotations

import asyncio
import gzip
from typing import Any

import pytest
import yaml
from embedded_server import ALICE, Stream, config_map, pod, serving
from hypothesis import given
from hypothesis import strategies as st

from pytest_daemonset.embedded.kinds.fields import MESSAGES
from pytest_daemonset.embedded.media import ACCEPTED, PLAIN, PROTOBUF, YAML, Form, accepts_gzip, negotiate
from pytest_daemonset.embedded.protobuf import decoder, opened
from pytest_daemonset.embedded.statuses import StatusError

MAPS = "/api/v1/namespaces/here/configmaps"
PODS = "/api/v1/namespaces/here/pods"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
METADATA = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io"


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        ("", PLAIN),
        ("*/*", PLAIN),
        ("application/*, application/yaml;q=0.5", Form(YAML)),
        ("application/yaml", Form(YAML)),
        (PROTOBUF, Form(PROTOBUF)),
        (f"{PROTOBUF}, application/json", Form(PROTOBUF)),
        (f"{PROTOBUF};q=0.5, application/json", PLAIN),
        (f"application/json;q=0.1, {PROTOBUF};q=0.2", Form(PROTOBUF)),
        (f"*/*, {PROTOBUF}", Form(PROTOBUF)),
        # a star yields even to what is wanted less: so does kube-apiserver's parser
        (f"*/*;q=1, {PROTOBUF};q=0.1", Form(PROTOBUF)),
        ("text/html, application/json;q=0.9", PLAIN),
        (f"application/json;q=nonsense, {PROTOBUF};q=0.9", PLAIN),
        (TABLE, Form("application/json", "table")),
        ("application/json;as=Table;v=v1beta1;g=meta.k8s.io", Form("application/json", "table", "v1beta1")),
        ("application/json;as=Table;v=v9;g=meta.k8s.io,application/json", PLAIN),
        ("application/json;as=Table;v=v1,application/json", PLAIN),
        (f"{PROTOBUF};as=Table;v=v1;g=meta.k8s.io,application/json", PLAIN),
        (f"{PROTOBUF};as=PartialObjectMetadataList;v=v1;g=meta.k8s.io", Form(PROTOBUF, "metadata list")),
        (f"{PROTOBUF};stream=watch", Form(PROTOBUF)),
        ("application/json;charset=utf-8", PLAIN),
    ],
)
def test_the_form_most_wanted_is_chosen(accept, form):
    assert negotiate(accept) == form


@pytest.mark.parametrize(
    "accept", ["text/html", "application/cbor", "application/json;as=Table;v=v1", "nonsense", ",", "*", "application/*"]
)
def test_what_nobody_writes_is_not_acceptable(accept):
    with pytest.raises(StatusError) as refused:
        negotiate(accept)
    assert refused.value.code == 406
    assert PROTOBUF in refused.value.message


@given(
    accept=st.lists(
        st.sampled_from(
            [*"*/,;=q", "application/json", PROTOBUF, "as=Table", "g=meta.k8s.io", "v=v1", "q=0.3", "q=nan"]
        )
        | st.text(max_size=5)
    ).map("".join)
)
def test_whatever_a_client_accepts_it_gets_a_form_or_a_refusal(accept):
    try:
        found = negotiate(accept).media_type
    except StatusError as refused:
        found = refused.code
    assert found in {406, *ACCEPTED}


def test_custom_resources_come_by_a_handler_that_knows_stars():
    assert negotiate("application/*", custom=True) == negotiate("*", custom=True) == PLAIN


def test_a_long_list_of_wishes_is_read_at_once():
    assert negotiate("text/html;q=0.5," * 20_000 + "application/yaml") == Form(YAML)


def test_watches_are_not_written_in_yaml():
    with pytest.raises(StatusError) as refused:
        negotiate("application/yaml", stream=True)
    assert (refused.value.code, YAML in refused.value.message) == (406, False)


@pytest.mark.parametrize(
    ("said", "accepted"), [("gzip", True), ("deflate, gzip;q=1.0", True), ("", False), ("identity, gzipped", False)]
)
def test_gzip_is_used_where_it_is_asked_for(said, accepted):
    assert accepts_gzip(said) is accepted


def test_a_refusal_that_no_form_fits_is_told_in_json():
    async def scenario():
        async with serving() as server:
            status, answer = await server.ask("GET", MAPS, Accept="text/html")
            assert (status, answer["reason"]) == (406, "NotAcceptable")
            status, answer = await server.ask("GET", f"{MAPS}/gone", Accept="application/yaml")
            assert (status, yaml.safe_load(answer)["reason"]) == (404, "NotFound")

    asyncio.run(scenario())


@pytest.mark.parametrize("path", ["/api", "/apis", "/apis/apps", "/apis/apps/v1", "/api/v1"])
def test_discovery_comes_in_what_can_be_read(path):
    async def scenario():
        async with serving() as server:
            _, plain = await server.ask("GET", path)
            assert yaml.safe_load((await server.ask("GET", path, Accept=YAML))[1]) == plain
            status, told = await server.ask("GET", path, Accept=f"{PROTOBUF},application/json")
            envelope = opened(told)
            assert (status, envelope.api_version, envelope.kind) == (200, plain.get("apiVersion", ""), plain["kind"])
            found = decoder(MESSAGES[envelope.kind])(envelope.raw)
            for each in found.get("resources", ()):
                each["verbs"] = each["verbs"]["items"]
            assert _without_empty(found) == _without_empty({**plain, "kind": None, "apiVersion": None})
            assert (await server.ask("GET", path, Accept="text/html"))[0] == 406
            # only the groups are told by a handler that knows stars
            known = 200 if "/apis" in {path, path.rpartition("/")[0]} else 406
            assert (await server.ask("GET", path, Accept="application/*"))[0] == known
            assert (await server.ask("GET", path, Accept="*/*"))[0] == 200

    asyncio.run(scenario())


def _without_empty(told: Any) -> Any:
    if isinstance(told, dict):
        return {key: _without_empty(value) for key, value in told.items() if value not in (None, "", False, [], {})}
    return [_without_empty(each) for each in told] if isinstance(told, list) else told


@pytest.mark.parametrize("path", ["/api", "/apis"])
@pytest.mark.parametrize("media_type", ["application/json", YAML, PROTOBUF])
def test_all_groups_are_told_at_once_to_who_asks_for_that(path, media_type):
    wanted = f"{media_type};g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"

    async def scenario():
        async with serving() as server:
            status, told = await server.ask("GET", path, Accept=f"{wanted},application/json")
            assert status == 200
            if media_type == PROTOBUF:
                envelope = opened(told)
                assert (envelope.api_version, envelope.kind) == ("apidiscovery.k8s.io/v2", "APIGroupDiscoveryList")
                told = decoder(MESSAGES["APIGroupDiscoveryList"])(envelope.raw)
            elif media_type == YAML:
                told = yaml.safe_load(told)
            resources = {
                each["resource"] for item in told["items"] for v in item["versions"] for each in v["resources"]
            }
            assert {"/api": {"pods", "services"}, "/apis": {"daemonsets", "storageclasses"}}[path] < resources

    asyncio.run(scenario())


def test_nothing_is_written_for_who_could_not_read_the_answer():
    async def scenario():
        async with serving() as server:
            status, _ = await server.ask("POST", MAPS, config_map("a"), Accept="text/html")
            assert (status, server.api.list("configmaps")) == (406, [])

    asyncio.run(scenario())


def test_objects_and_lists_come_as_yaml():
    async def scenario():
        async with serving() as server:
            made = server.api.create(ALICE, "configmaps", "here", config_map("a"))
            async with server._session.get(f"{MAPS}/a", headers={"Accept": YAML}) as answer:
                assert answer.content_type == YAML
                assert yaml.safe_load(await answer.read()) == made
            _, listed = await server.ask("GET", MAPS, Accept=YAML)
            told = yaml.safe_load(listed)
            assert (told["kind"], [each["metadata"]["name"] for each in told["items"]]) == ("ConfigMapList", ["a"])

    asyncio.run(scenario())


def test_a_table_has_columns_and_a_row_for_each_object():
    async def scenario():
        async with serving() as server:
            server.api.create(ALICE, "pods", "here", pod("p", node="n"))
            _, table = await server.ask("GET", PODS, Accept=TABLE)
            assert (table["kind"], table["apiVersion"]) == ("Table", "meta.k8s.io/v1")
            shown = [each["name"] for each in table["columnDefinitions"] if not each["priority"]]
            assert shown == ["Name", "Ready", "Status", "Restarts", "Age"]
            [row] = table["rows"]
            assert row["cells"][:4] == ["p", "0/1", "Pending", "0"]
            assert len(row["cells"]) == len(table["columnDefinitions"])
            assert (row["object"]["kind"], row["object"]["metadata"]["name"]) == ("PartialObjectMetadata", "p")
            _, one = await server.ask("GET", f"{PODS}/p", Accept=TABLE)
            assert one["rows"][0]["cells"][0] == "p"
            assert one["metadata"] == {"resourceVersion": row["object"]["metadata"]["resourceVersion"]}

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("said", "kind"), [("None", None), ("Metadata", "PartialObjectMetadata"), ("Object", "ConfigMap")]
)
def test_rows_carry_what_is_asked_for(said, kind):
    async def scenario():
        async with serving() as server:
            server.api.create(ALICE, "configmaps", "here", config_map("a"))
            _, table = await server.ask("GET", f"{MAPS}?includeObject={said}", Accept=TABLE)
            told = table["rows"][0]["object"]
            assert (told and told["kind"]) == kind
            status, _ = await server.ask("GET", f"{MAPS}?includeObject=all", Accept=TABLE)
            assert status == 400

    asyncio.run(scenario())


def test_a_watch_of_tables_tells_the_columns_once():
    async def scenario():
        async with serving() as server:
            server.api.create(ALICE, "configmaps", "here", config_map("a"))
            path = f"{MAPS}?watch=1&allowWatchBookmarks=true"
            async with server._session.get(path, headers={"Accept": TABLE}) as answer:
                stream = Stream(answer)
                [first] = await stream.take(1)
                server.api.create(ALICE, "configmaps", "here", config_map("b"))
                [second] = await stream.take(1)
            assert [len(each["object"]["columnDefinitions"] or []) for each in (first, second)] == [3, 0]
            assert [each["object"]["rows"][0]["cells"][0] for each in (first, second)] == ["a", "b"]

    asyncio.run(scenario())


def test_a_watch_that_asks_for_lists_of_metadata_is_told_whole_objects():
    async def scenario():
        async with serving() as server:
            accept = METADATA.replace("Metadata;", "MetadataList;")
            path = f"{MAPS}?watch=1&allowWatchBookmarks=true"
            async with server._session.get(path, headers={"Accept": accept}) as answer:
                server.api.create(ALICE, "configmaps", "here", config_map("a"))
                server.api.create(ALICE, "pods", "here", pod("p"))
                stream = Stream(answer)
                events = [await stream.next(), await stream.next()]
            assert [(each["type"], each["object"]["kind"]) for each in events] == [
                ("ADDED", "ConfigMap"),
                ("BOOKMARK", "ConfigMap"),
            ]

    asyncio.run(scenario())


def test_bookmarks_of_tables_have_one_row():
    async def scenario():
        async with serving() as server:
            path = f"{MAPS}?watch=1&allowWatchBookmarks=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan"
            async with server._session.get(path, headers={"Accept": TABLE}) as answer:
                bookmark = await Stream(answer).next()
            [row] = bookmark["object"]["rows"]
            assert (bookmark["type"], row["cells"]) == ("BOOKMARK", ["", "", ""])
            assert row["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}

    asyncio.run(scenario())


def test_metadata_alone_is_told_by_every_verb_but_statuses_stay_whole():
    async def scenario():
        async with serving() as server:
            _, made = await server.ask("POST", MAPS, config_map("a"), Accept=METADATA)
            assert (made["kind"], sorted(made)) == ("PartialObjectMetadata", ["apiVersion", "kind", "metadata"])
            accept = METADATA.replace("Metadata;", "MetadataList;")
            _, listed = await server.ask("GET", MAPS, Accept=accept)
            assert (listed["kind"], listed["apiVersion"]) == ("PartialObjectMetadataList", "meta.k8s.io/v1")
            assert [each["kind"] for each in listed["items"]] == ["PartialObjectMetadata"]
            assert (await server.ask("GET", MAPS, Accept=METADATA))[0] == 406
            assert (await server.ask("GET", f"{MAPS}/a", Accept=accept))[0] == 406
            _, gone = await server.ask("DELETE", f"{MAPS}/a", Accept=METADATA)
            assert (gone["kind"], gone["status"]) == ("Status", "Success")

    asyncio.run(scenario())


def test_large_answers_are_compressed_for_who_accepts_it_and_small_ones_never():
    async def scenario():
        async with serving() as server:
            large = {"metadata": {"name": "large"}, "data": {"k": "v" * 200_000}}
            server.api.create(ALICE, "configmaps", "here", large)
            server.api.create(ALICE, "configmaps", "here", config_map("small"))
            server._session._auto_decompress = False
            for name, said, encoding in [
                ("large", "gzip", "gzip"),
                ("large", "identity", None),
                ("small", "gzip", None),
            ]:
                async with server._session.get(f"{MAPS}/{name}", headers={"Accept-Encoding": said}) as answer:
                    raw = await answer.read()
                    assert answer.headers.get("Content-Encoding") == encoding
                    whole = gzip.decompress(raw) if encoding else raw
                    assert whole.startswith(b'{"kind":"ConfigMap"')

    asyncio.run(scenario())


def test_custom_resources_have_no_protobuf_form_but_their_metadata_has():
    assert negotiate(f"{PROTOBUF}, application/json", custom=True) == PLAIN
    metadata = f"{PROTOBUF};as=PartialObjectMetadata;v=v1;g=meta.k8s.io"
    assert negotiate(metadata, custom=True) == Form(PROTOBUF, "metadata")
    with pytest.raises(StatusError):
        negotiate(PROTOBUF, custom=True)
