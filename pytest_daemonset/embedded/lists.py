"""Lists: label and field selectors, pages, and what a resourceVersion asks for."""

from __future__ import annotations

import base64
import heapq
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import orjson

from pytest_daemonset.embedded import statuses
from pytest_daemonset.embedded.indexes import BEGINNING, Key, span
from pytest_daemonset.embedded.kinds import names
from pytest_daemonset.embedded.store import CompactedError, Entry, Store, Table

if TYPE_CHECKING:
    from pytest_daemonset.embedded.calls import Served

Labels = Mapping[str, str]
Past = Mapping[Key, "Entry | None"]

_TOKEN = re.compile(r"\s*(==|!=|=|!|,|\(|\)|<|>|[^\s=!,()<>]+)")
_DURATION = re.compile(r"[-+]?(?:0|(?:(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:ns|us|µs|ms|s|m|h))+)")
_DIGITS = 18
_LABEL_VALUE = re.compile(r"(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?")
_NOTHING: Mapping[str, str] = {}
_PRESENT: Past = {}
_key = attrgetter("key")


@dataclass(frozen=True)
class Requirement:
    """One term of a label selector.

    Args:
        label: which label it is about.
        met: whether labels meet it.
        needed: whether labels without this one never meet it.
        values: the only ones that meet it; None if that cannot be said.
    """

    label: str
    met: Callable[[Labels], bool]
    needed: bool = False
    values: frozenset[str] | None = None


def whole_number(text: str) -> int | None:
    """A number as Go reads it: plain digits, within 64 bits; else None."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= _DIGITS else None


def truth(query: Mapping[str, str], name: str) -> bool:
    """A parameter that is true or not, as Go reads it: all but its absence, "0" and "false" is true (runtime/conversion.go)."""
    return query.get(name, "0").lower() not in {"0", "false"}


def _tokens(text: str) -> list[str]:
    tokens, at = [], 0
    text = text.rstrip()
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None:
            raise statuses.bad_request(f"unable to parse requirement: found '{text[at:]}'")
        tokens.append(found[1])
        at = found.end()
    return [*tokens, ""]


def _is_word(token: str) -> bool:
    return token not in {"", "=", "==", "!=", "!", ",", "(", ")", "<", ">"}


def _checked(value: str) -> str:
    if len(value) > 63 or not _LABEL_VALUE.fullmatch(value):
        raise statuses.bad_request(
            f"unable to parse requirement: values: Invalid value: {value!r}: a valid label must be alphanumeric"
        )
    return value


def _values(tokens: list[str]) -> frozenset[str]:
    if tokens[0] != "(":
        raise statuses.bad_request(f"unable to parse requirement: found '{tokens[0]}' expected: '('")
    tokens.pop(0)
    values, value = [], ""
    while (token := tokens.pop(0)) != ")":
        if token == ",":  # noqa: S105 - a separator
            values.append(value)
            value = ""
        elif _is_word(token):
            value = _checked(token)
        else:
            raise statuses.bad_request(
                f"unable to parse requirement: found '{token}', expected: ',', ')' or identifier"
            )
    return frozenset([*values, value])


def _number(text: str) -> int:
    number = whole_number(text.removeprefix("-"))
    if number is None:
        raise statuses.bad_request(f"unable to parse requirement: '{text}' is not an integer, as '<' and '>' want")
    return -number if text.startswith("-") else number


def _greater(labels: Labels, key: str, limit: int, sign: int) -> bool:
    number = whole_number(labels.get(key, ""))
    return number is not None and sign * number > sign * limit


def _check_key(key: str) -> None:
    if wrong := names.qualified_name(key):
        raise statuses.bad_request(f'unable to parse requirement: <nil>: Invalid value: "{key}": {"; ".join(wrong)}')


def _requirement(tokens: list[str]) -> Requirement:
    token = tokens.pop(0)
    if token == "!":  # noqa: S105 - an operator
        key = tokens.pop(0)
        if not _is_word(key):
            raise statuses.bad_request(f"unable to parse requirement: found '{key}', expected: identifier")
        _check_key(key)
        return Requirement(key, lambda labels: key not in labels)
    if not _is_word(token):
        raise statuses.bad_request(
            f"unable to parse requirement: found '{token}', expected: !, identifier, or 'end of string'"
        )
    key = token
    _check_key(key)
    operator = tokens[0]
    if operator in {",", ""}:
        return Requirement(key, lambda labels: key in labels, needed=True)
    tokens.pop(0)
    if operator == "in":
        wanted = _values(tokens)
        return Requirement(key, lambda labels: labels.get(key) in wanted, True, wanted)
    if operator == "notin":
        unwanted = _values(tokens)
        return Requirement(key, lambda labels: labels.get(key) not in unwanted)
    if operator not in {"=", "==", "!=", "<", ">"}:
        raise statuses.bad_request(
            f"unable to parse requirement: found '{operator}', expected: in, notin, =, ==, !=, gt, lt"
        )
    value = ""
    if tokens[0] not in {",", ""}:
        value = tokens.pop(0)
        if not _is_word(value):
            raise statuses.bad_request(f"unable to parse requirement: found '{value}', expected: identifier")
        _checked(value)
    if operator == "!=":
        return Requirement(key, lambda labels: labels.get(key) != value)
    if operator in {"<", ">"}:
        limit, sign = _number(value), 1 if operator == ">" else -1
        return Requirement(key, lambda labels: _greater(labels, key, limit, sign), needed=True)
    return Requirement(key, lambda labels: labels.get(key) == value, True, frozenset([value]))


def parse_labels(text: str) -> tuple[Requirement, ...]:
    """The requirements of a label selector, as in `app=x,zone in (a,b),!odd,i>3`.

    Raises:
        StatusError: 400, as kube-apiserver's parser says it.
    """
    if not text.strip():
        return ()
    tokens, requirements = _tokens(text), []
    while True:
        requirements.append(_requirement(tokens))
        token = tokens.pop(0)
        if token == "":
            return tuple(requirements)
        if token != ",":  # noqa: S105 - a separator
            raise statuses.bad_request(f"found '{token}', expected: ',' or 'end of string'")


_TERM = re.compile(r"((?:\\.|[^\\,])+)")
_OPERATOR = re.compile(r"!=|==|=")


def _field_terms(text: str) -> Iterator[tuple[str, str, str]]:
    """Field, operator and value of each term.

    Raises:
        StatusError: 400, as kube-apiserver's parser says it.
    """
    for term in _TERM.findall(text):
        operator = _OPERATOR.search(term)
        if operator is None:
            raise statuses.bad_request(f"invalid selector: '{text}'; can't understand '{term}'")
        value = term[operator.end() :]
        if "=" in re.sub(r"\\.", "", value):
            raise statuses.bad_request("invalid field selector: unescaped character in value: 61")
        yield term[: operator.start()], operator[0], re.sub(r"\\([\\,=])", r"\1", value)


@dataclass(frozen=True)
class Selector:
    """Which objects are meant: those in the namespace ("" for all) that meet all requirements.

    Args:
        equal, unequal: what field labels must be, and must not be.
    """

    namespace: str = ""
    requirements: tuple[Requirement, ...] = ()
    equal: Mapping[str, str] | None = None
    unequal: tuple[tuple[str, str], ...] = ()

    def matches(self, entry: Entry) -> bool:
        """Whether this state of an object is meant."""
        if self.namespace and entry.key[0] != self.namespace:
            return False
        if self.equal and any(entry.fields.get(field) != value for field, value in self.equal.items()):
            return False
        if self.unequal and any(entry.fields.get(field) == value for field, value in self.unequal):
            return False
        labels = entry.labels
        return all(requirement.met(labels) for requirement in self.requirements)

    @property
    def counts(self) -> bool:
        """Whether it is known without a look at the objects how many match."""
        return not (self.requirements or self.equal or self.unequal)

    def find(self, table: Table, after: Key = BEGINNING, past: Past = _PRESENT) -> Iterator[Entry]:
        """All that match, in the order of their keys. It costs what is taken of it, as far as there is an index.

        Args:
            after: only what is behind this key.
            past: what is not as it was at the moment that is meant.
        """
        needed = ((each.label, each.values) for each in self.requirements if each.needed)
        keys, first, last = table.index.narrowed(self.namespace, self.equal or _NOTHING, needed, after)
        entries = map(table.entries.__getitem__, islice(keys, first, last))
        found = entries if self.counts else filter(self.matches, entries)
        if not past:
            return found
        was = [entry for entry in past.values() if entry is not None and entry.key > after and self.matches(entry)]
        now = (entry for entry in found if entry.key not in past)
        return heapq.merge(now, sorted(was, key=_key), key=_key)

    def count(self, table: Table, after: Key, past: Past) -> int:
        """How many `find` would find, if it `counts`."""
        _, first, last = span(table.index.keys, self.namespace, after)
        changed = [key for key in past if key > after and self.namespace in {"", key[0]}]
        return last - first + sum((past[key] is not None) - (key in table.entries) for key in changed)


def selector(served: Served, namespace: str, query: Mapping[str, str]) -> Selector:
    """The selector of a request's query.

    Raises:
        StatusError: 400 for a selector that cannot be parsed, or a field label that the kind does not have.
    """
    equal: dict[str, str] = {}
    unequal: list[tuple[str, str]] = []
    if text := query.get("fieldSelector", ""):
        known = served.kind.field_labels({"metadata": {}})
        for field, operator, value in _field_terms(text):
            if not field and not value:
                continue  # asks for nothing
            if field not in known:
                raise statuses.bad_request(f"field label not supported: {field}")
            if operator == "!=":
                unequal.append((field, value))
            else:
                equal[field] = value
    return Selector(namespace, parse_labels(query.get("labelSelector", "")), equal or None, tuple(unequal))


def resource_version(text: str, *, of_list: bool = True) -> int:
    """The number in a resourceVersion parameter; "" counts as 0.

    Raises:
        StatusError: it is no number; lists say 400, watches 500, as kube-apiserver does.
    """
    if not text:
        return 0
    number = whole_number(text)
    if number is not None:
        return number
    said = f'resourceVersion: Invalid value: "{text}": strconv.ParseUint: parsing "{text}": invalid syntax'
    if of_list:
        raise statuses.bad_request(f"invalid resource version: {said}")
    raise statuses.StatusError(500, "", said)


def _continued(token: str) -> tuple[int, tuple[str, str]]:
    try:
        said = orjson.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
        namespace, _, name = said["start"].partition("/")
        return int(said["rv"]), (namespace, name)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise statuses.bad_request(f"invalid continue token: continue key is not valid: {error}") from None


def _continue(rv: int, last: tuple[str, str]) -> str:
    return (
        base64.urlsafe_b64encode(orjson.dumps({"v": "meta.k8s.io/v1", "rv": rv, "start": "/".join(last)}))
        .decode()
        .rstrip("=")
    )


def _limit(text: str) -> int:
    number = whole_number((text or "0").removeprefix("-"))
    if number is None:
        raise statuses.bad_request(f'strconv.ParseInt: parsing "{text}": invalid syntax')
    return 0 if text.startswith("-") else number


def check_timeout(query: Mapping[str, str]) -> None:
    """Refuse a time that is no number.

    Raises:
        StatusError: 400.
    """
    _limit(query.get("timeoutSeconds", ""))


def check_deadline(query: Mapping[str, str]) -> None:
    """Refuse a `timeout` that is no duration.

    Raises:
        StatusError: 400.
    """
    said = query.get("timeout", "")
    if said and not _DURATION.fullmatch(said):
        raise statuses.bad_request(f'invalid timeout specified in the request URL - time: invalid duration "{said}"')


def check_match(query: Mapping[str, str]) -> None:
    """Refuse a resourceVersionMatch that makes no sense.

    Raises:
        StatusError: 422, as kube-apiserver validates ListOptions.
    """
    if query.get("sendInitialEvents"):
        text = "Forbidden: sendInitialEvents is forbidden for list"
        raise statuses.invalid_option("ListOptions", "sendInitialEvents", "FieldValueForbidden", text)
    match = query.get("resourceVersionMatch", "")
    if not match:
        return
    problem = ""
    if not query.get("resourceVersion"):
        problem = "resourceVersionMatch is forbidden unless resourceVersion is provided"
    elif query.get("continue"):
        problem = "resourceVersionMatch is forbidden when continue is provided"
    elif match == "Exact" and query["resourceVersion"] == "0":
        problem = 'resourceVersionMatch "exact" is forbidden for resourceVersion "0"'
    if problem:
        raise statuses.invalid_option(
            "ListOptions", "resourceVersionMatch", "FieldValueForbidden", f"Forbidden: {problem}"
        )
    if match not in {"Exact", "NotOlderThan"}:
        text = f'Unsupported value: "{match}": supported values: "Exact", "NotOlderThan", ""'
        raise statuses.invalid_option("ListOptions", "resourceVersionMatch", "FieldValueNotSupported", text)


@dataclass(frozen=True)
class Listing:
    """The answer to a list: the matching entries at one resourceVersion."""

    entries: list[Entry]
    rv: int
    token: str = ""
    remaining: int = 0

    @property
    def metadata(self) -> dict[str, Any]:
        """The ListMeta."""
        metadata: dict[str, Any] = {"resourceVersion": str(self.rv)}
        if self.token:
            metadata["continue"] = self.token
            if self.remaining:
                metadata["remainingItemCount"] = self.remaining
        return metadata


def listing(store: Store, served: Served, namespace: str, query: Mapping[str, str]) -> Listing:
    """Answer a list request.

    Raises:
        StatusError: 400, 410, 422 or 504 as kube-apiserver would.
    """
    check_match(query)
    chosen = selector(served, namespace, query)
    limit = _limit(query.get("limit", ""))
    wanted, after = resource_version(query.get("resourceVersion", "")), BEGINNING
    exact = query.get("resourceVersionMatch") == "Exact"
    if token := query.get("continue", ""):
        said, (wanted, after) = wanted, _continued(token)
        if said:
            raise statuses.bad_request("specifying resource version is not allowed when using continue")
        exact = True
    if wanted > store.rv:
        raise statuses.too_new(wanted, store.rv)
    rv, past = store.rv, _PRESENT
    if exact and wanted != rv:
        try:
            rv, past = wanted, served.table.undone(wanted)
        except CompactedError as compacted:
            raise statuses.expired(
                f"The provided continue parameter is too old to display a consistent list result: {compacted}"
                if token
                else f"The resourceVersion for the provided list is too old: {compacted}"
            ) from None
    entries = list(islice(chosen.find(served.table, after, past), limit + 1 if limit else None))
    if limit and len(entries) > limit:
        page = entries[:limit]
        # kube-apiserver cannot count what a selector leaves over, and does not say
        left = chosen.count(served.table, page[-1].key, past) if chosen.counts else 0
        return Listing(page, rv, _continue(rv, page[-1].key), left)
    return Listing(entries, rv)


def encode(served: Served, found: Listing) -> bytes:
    """The JSON of a list; the objects' bytes are only joined."""
    kind, metadata = served.kind, found.metadata
    items = [entry.raw for entry in found.entries]
    if kind.schema is not None:
        # lists of custom resources are written by another encoder: nothing is left out
        metadata = {"continue": "", **metadata}
        items = [entry.encoded for entry in found.entries]
    head = orjson.dumps({"kind": f"{kind.kind}List", "apiVersion": kind.api_version, "metadata": metadata})
    return b"".join((head[:-1], b',"items":[', b",".join(items), b"]}"))
