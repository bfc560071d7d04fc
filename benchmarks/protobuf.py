"""Our protobuf codec beside Google's runtime, on one pod as kube-apiserver wrote it: microseconds for one object.

Google's runtime (`pip install protobuf`) needs message types, built here from the same field tables, and gives messages; the server
works on JSON objects, so the walk from a message to a dict counts. Its own `json_format` knows nothing of Kubernetes' quantities,
times and raw extensions, and is shown only to place it.
"""

from __future__ import annotations

import base64
import json
import timeit
from pathlib import Path
from typing import Any

import orjson
from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory

from pytest_daemonset.embedded.kinds.fields import MESSAGES, Field
from pytest_daemonset.embedded.protobuf import decoder, encoder, opened

RECORDING = Path(__file__).parents[1] / "tests/fidelity/recordings/protobuf.json"
SPECIAL = {
    "Time": "seconds nanos",
    "MicroTime": "seconds nanos",
    "Quantity": "=string",
    "Any": "=raw",
    "IntOrString": "type int =str",
}
TYPES = {"string": 9, "bool": 8, "int32": 5, "int64": 3, "bytes": 12}


def google_types() -> Any:
    """The tables as message types of Google's runtime."""
    file = descriptor_pb2.FileDescriptorProto(name="k8s.proto", package="k8s", syntax="proto2")
    for name, fields in SPECIAL.items():
        message = file.message_type.add(name=name)
        for number, field in enumerate(fields.split(), 1):
            kind = 12 if field.startswith("=") else 3
            message.field.add(name=field.strip("="), number=number, type=kind, label=1)
    for table in MESSAGES.values():
        message = file.message_type.add(name=table.name)
        for field in table.own:
            if field.number:
                _add(message, field)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return lambda name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"k8s.{name}"))


def _add(message: Any, field: Field) -> None:
    name = f"inline_{field.type}" if field.inline else field.name
    if field.shape == "map":
        entry = message.nested_type.add(name=f"{name[0].upper()}{name[1:]}Entry")
        entry.options.map_entry = True
        entry.field.add(name="key", number=1, type=9, label=1)
        _typed(entry.field.add(name="value", number=2, label=1), field.type)
        message.field.add(
            name=name, number=field.number, type=11, label=3, type_name=f".k8s.{message.name}.{entry.name}"
        )
        return
    _typed(message.field.add(name=name, number=field.number, label=3 if field.shape == "list" else 1), field.type)


def _typed(proto: Any, kind: str) -> None:
    if kind in TYPES:
        proto.type = TYPES[kind]
    else:
        proto.type, proto.type_name = 11, f".k8s.{kind}"


def walk(message: Any) -> Any:
    """A message as a dict, in the plainest way: what any use of the runtime costs at the least."""
    found: dict[str, Any] = {}
    for field, value in message.ListFields():
        if field.message_type is None:
            found[field.name] = list(value) if field.is_repeated else value
        elif field.message_type.GetOptions().map_entry:
            plain = field.message_type.fields_by_name["value"].message_type is None
            found[field.name] = {key: each if plain else walk(each) for key, each in value.items()}
        else:
            found[field.name] = [walk(each) for each in value] if field.is_repeated else walk(value)
    return found


def fill(message: Any, obj: dict[str, Any]) -> Any:
    """The way back."""
    for name, value in obj.items():
        if isinstance(value, dict):
            part = getattr(message, name)
            if hasattr(part, "DESCRIPTOR"):
                part.SetInParent()
                fill(part, value)
            else:
                for key, each in value.items():
                    if isinstance(each, dict):
                        fill(part[key], each)
                    else:
                        part[key] = each
        elif isinstance(value, list):
            part = getattr(message, name)
            for each in value:
                if isinstance(each, dict):
                    fill(part.add(), each)
                else:
                    part.append(each)
        else:
            setattr(message, name, value)
    return message


def microseconds(work: Any) -> float:
    """The best of five rounds."""
    number = 200
    return min(timeit.repeat(work, number=number, repeat=5)) / number * 1e6


def main() -> None:
    recorded = next(
        each for each in json.loads(RECORDING.read_text(encoding="utf-8"))["objects"] if each["kind"] == "Pod"
    )
    obj, raw = recorded["json"], opened(base64.b64decode(recorded["protobuf"])).raw
    pod = google_types()("Pod")
    message = pod.FromString(raw)
    plain = walk(message)
    decode, encode = decoder(MESSAGES["Pod"]), encoder(MESSAGES["Pod"])
    assert {**decode(raw), "kind": "Pod", "apiVersion": "v1"} == obj
    assert fill(pod(), plain) == message
    text = orjson.dumps(obj)
    rows = {
        "ours, protobuf to JSON object": lambda: decode(raw),
        "Google's, parse alone": lambda: pod.FromString(raw),
        "Google's, parse and walk": lambda: walk(pod.FromString(raw)),
        "Google's, json_format": lambda: json_format.MessageToDict(pod.FromString(raw)),
        "orjson, for comparison": lambda: orjson.loads(text),
        "ours, JSON object to protobuf": lambda: encode(obj),
        "Google's, fill and serialize": lambda: fill(pod(), plain).SerializeToString(),
    }
    for name, work in rows.items():
        print(f"{name:32} {microseconds(work):8.1f} µs")


if __name__ == "__main__":
    main()
