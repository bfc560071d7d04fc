"""Expressions have the values that the language definition and Kubernetes' libraries give them."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_daemonset.embedded.cel import CelError, compiled

OBJECT = {
    "metadata": {"name": "n", "labels": {"app": "x"}, "dash-ed": 1, "namespace": "ns"},
    "spec": {"replicas": 3, "containers": [{"name": "c", "image": "i:1"}, {"name": "d", "image": "y"}], "none": None},
}
NAMES = frozenset({"object", "oldObject"})


def value(text: str) -> Any:
    return compiled(text, NAMES)({"object": OBJECT, "oldObject": None})


@pytest.mark.parametrize(
    "text",
    [
        "1 + 2 * 3 == 7 && -7 / 2 == -3 && -7 % 3 == -1 && 7.0 / 2.0 == 3.5",
        "9223372036854775807 > 0 && -9223372036854775808 < 0 && 0xFF == 255 && 3u + 1u == 4u",
        "1 == 1.0 && 1u == 1 && 1 != '1' && true != 1 && null == oldObject && 1.5 > 1 && [1, 2.0] == [1.0, 2]",
        r"'\u00e9\x41\n' == 'éA' + '\n' && r'\d' == '\\d' && b'\xff' == b'\377' && '''it's''' == 'it' + '\x27' + 's'",
        "has(object.spec.replicas) && !has(object.spec.nothing) && has(object.spec.none)",
        "object.metadata.dash__dash__ed == 1 && object.metadata.__namespace__ == 'ns'",
        "object.spec.containers.all(c, c.name != '') && object.spec.containers.exists_one(c, c.image.contains(':'))",
        "object.spec.containers.map(c, c.name) == ['c', 'd'] && object.spec.containers.map(c, c.name != 'c', c.name) == ['d']",
        "object.spec.containers.filter(object, object.name == 'd') == [{'name': 'd', 'image': 'y'}]",
        "['a', 'b'].all(i, v, i < 2 && v != '') && {'a': 1}.transformMap(k, v, v + 1) == {'a': 2}",
        "['a', 'b'].transformList(i, v, i == 1, v) == ['b'] && {'a': 1, 'b': 2}.exists(k, k == 'b')",
        "object.spec.?replicas.orValue(1) == 3 && object.?nope.deeper.orValue('none') == 'none'",
        "!object[?'nope'].hasValue() && optional.of(1).optMap(x, x + 1).value() == 2 && [?optional.none(), 1] == [1]",
        "(true || object.nope == 1) && (object.nope == 1 || true) && !(false && object.nope == 1)",
        "[1, 2].exists(x, x == 2 || object.nope) && 'a' in object.metadata.labels == false",
        "'app' in object.metadata.labels && 2 in [1, 2] && !('2' in [1, 2])",
        "cel.bind(x, 2, x * x) == 4 && type(1) == int && type('') == string && type([]) == list && type(null) != int",
        "'a,b,c'.split(',', 2) == ['a', 'b,c'] && ['a', 'b'].join('-') == 'a-b' && 'abc'.substring(1, 2) == 'b'",
        "' A'.trim().lowerAscii() == 'a' && 'hello'.indexOf('l') == 2 && 'hello'.lastIndexOf('l') == 3 && 'ab'.reverse() == 'ba'",
        "'%s has %d of %.1f'.format(['x', 2, 2.55]) == 'x has 2 of 2.5' && 'a1b22'.findAll('[0-9]+') == ['1', '22']",
        "[3, 1, 2].max() == 3 && [1, 2].sum() == 3 && [1, 2].isSorted() && [1, 2, 1].lastIndexOf(1) == 2 && size('é') == 1",
        "quantity('1.5Gi').isGreaterThan(quantity('1G')) && quantity('200m').add(quantity('800m')).asInteger() == 1",
        "isQuantity('1k') && !isQuantity('one') && quantity('1').compareTo(quantity('1000m')) == 0",
        "url('https://h:80/p?q=1').getHostname() == 'h' && url('https://h:80/p?q=1').getPort() == '80' && !isURL('a b')",
        "url('https://h/p?q=1').getQuery() == {'q': ['1']} && url('/a/b').getEscapedPath() == '/a/b'",
        "duration('1h30m') == duration('90m') && timestamp('2024-02-29T12:00:00Z').getMonth() == 1",
        "timestamp('2024-01-01T00:00:00Z') + duration('24h') == timestamp('2024-01-02T00:00:00Z')",
        "timestamp('2024-01-02T00:00:00Z') - timestamp('2024-01-01T00:00:00Z') == duration('24h')",
        "sets.contains([1, 2], [1]) && sets.intersects([1], [1, 2]) && sets.equivalent([1, 1], [1])",
        "jsonpatch.escapeKey('a/b~c') == 'a~1b~0c' && string(1.0) == '1' && int('7') == 7 && bool('true')",
        "'a' < 'b' && true > false && b'a' < b'b' && (1 < 2 ? 'y' : 'n') == 'y' // a comment",
        "Object{spec: Object.spec{replicas: 1}} == Object{spec: Object.spec{replicas: 1}}",
    ],
)
def test_it_is_true(text: str) -> None:
    assert value(text) is True


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("object.nope", "no such key: nope"),
        ("object.spec.containers[2]", "index out of bounds: 2"),
        ("object.metadata.labels['z']", "no such key: z"),
        ("9223372036854775807 + 1", "integer overflow"),
        ("1u - 2u", "unsigned integer overflow"),
        ("1 / 0", "division by zero"),
        ("1 + 1.0", "no such overload"),
        ("1 < 'a'", "no such overload"),
        ("'a' && true", "no such overload"),
        ("!1", "no such overload"),
        ("[1].all(x, x)", "no such overload"),
        ("object.nope == 1 && object.nope == 1", "no such key"),
        ("optional.none().value()", "optional.none"),
        ("int('x')", "invalid syntax"),
        ("timestamp('yesterday')", "cannot parse"),
        ("'a'.matches('(')", "error parsing regexp"),
        (
            "[0,0,0,0,0,0,0,0,0,0].map(a, [0,0,0,0,0,0,0,0,0,0].map(b, '"
            + "x" * 20_000
            + "'.split('').map(c, c + 'y')))",
            "cost limit",
        ),
        ("{'a': 1, 'a': 2}", "already exists"),
    ],
)
def test_it_has_no_value(text: str, why: str) -> None:
    with pytest.raises(CelError, match=why):
        value(text)


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "1 +",
            "(1",
            "[1",
            "{1}",
            "a.b.",
            "'open",
            "1 ? 2",
            "for",
            "x",
            "f(1)",
            "Other{a: 1}",
            "JSONPatch{nope: 1}",
            "a..b",
        ),
        *("9223372036854775808", "size()", "'a'.size(1, 2)", "0x", r"'\q'", r"'\ud800'", "1 in", "in"),
        *("(" * 1000, "!" * 100_000, "[" * 100_000, "-" * 100_001 + "x"),
    ],
    ids=lambda text: text[:12],
)
def test_it_is_no_expression(text: str) -> None:
    with pytest.raises(CelError):
        compiled(text, NAMES)


WORDS = [
    "object",
    ".",
    "spec",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    "1",
    "'a'",
    "+",
    "-",
    "!",
    "&&",
    "||",
    "?",
    ":",
    "in",
    ".?",
    "[?",
    ",",
    "has(",
    ".map(x, x)",
]


@given(st.lists(st.sampled_from(WORDS), max_size=15).map("".join) | st.text(max_size=40))
def test_any_text_has_a_value_or_a_reason(text: str) -> None:
    with contextlib.suppress(CelError):  # any other exception fails the test
        value(text)
