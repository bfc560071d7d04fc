"""From a tree to a value: each node becomes a function of the variables."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from pytest_daemonset.embedded.cel.library import (
    FUNCTIONS,
    METHODS,
    NOT_IMITATED,
    NoOverloadError,
    add,
    arithmetic,
    compare,
    shown,
)
from pytest_daemonset.embedded.cel.parsing import Node, parse
from pytest_daemonset.embedded.cel.values import (
    NONE,
    TYPES,
    CelError,
    Optional,
    Struct,
    Type,
    Uint,
    equal,
    is_number,
    type_name,
    whole,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

Scope = dict[str, Any]
Run = Callable[[Scope], Any]
Scopes = Callable[[Scope], Iterable[tuple[Any, Any, Scope]]]

LONGEST_MESSAGE = 5 * 1024
_BUDGET = 1_000_000
_SPENT = " spent"
_ESCAPED = re.compile(r"__(underscores|dot|dash|slash|[a-z]+)__")
_MEANS = {"underscores": "__", "dot": ".", "dash": "-", "slash": "/"}
_MACROS = frozenset({"all", "exists", "exists_one", "existsOne", "map", "filter", "transformList", "transformMap"})
_STRUCTS = ("JSONPatch", "Object")


class NotImitatedError(CelError):
    """The expression uses what Kubernetes has and this does not."""


class Program:
    """One expression, ready to run.

    Args:
        text: the expression.
        names: the variables that there are.

    Raises:
        CelError: it is no expression, or uses what there is not.
    """

    def __init__(self, text: str, names: Iterable[str]) -> None:
        self.text = text
        try:
            self._run = _Builder(frozenset(names)).build(parse(text))
        except RecursionError:
            raise CelError("expression recursion limit exceeded") from None

    def __call__(self, variables: Mapping[str, Any]) -> Any:
        """The value.

        Raises:
            CelError: it has none.
        """
        try:
            return self._run({**variables, _SPENT: [0]})
        except RecursionError:
            raise CelError("expression recursion limit exceeded") from None
        except (OverflowError, MemoryError):
            raise CelError("operation cancelled: actual cost limit exceeded") from None

    def truth(self, variables: Mapping[str, Any]) -> bool:
        """The value, which must be a bool.

        Raises:
            CelError: it is none.
        """
        value = self(variables)
        if not isinstance(value, bool):
            raise CelError(f"must evaluate to bool, got {type_name(value)}")
        return value

    def message(self, variables: Mapping[str, Any]) -> str:
        """The value as what a refusal says: one line of text that is not too long; "" if it is none."""
        try:
            value = self(variables)
        except CelError:
            return ""
        fits = isinstance(value, str) and "\n" not in value and len(value) <= LONGEST_MESSAGE
        return value.strip() if fits else ""


@lru_cache(maxsize=1024)
def compiled(text: str, names: frozenset[str]) -> Program:
    """A program, built once.

    Raises:
        CelError: see `Program`.
    """
    return Program(text, names)


def _spend(scope: Scope, amount: int = 1) -> None:
    scope[_SPENT][0] += amount
    if scope[_SPENT][0] > _BUDGET:
        raise CelError("operation cancelled: actual cost limit exceeded")


class _Builder:
    """Builds functions from nodes; `names` are the variables in scope."""

    def __init__(self, names: frozenset[str]) -> None:
        self._names = names

    def build(self, node: Node) -> Run:
        """The function that gives the node's value."""
        made: Callable[[Scope], Any] = getattr(self, f"_{node[0]}")(*node[1:])
        return made

    def _with(self, *names: str) -> _Builder:
        return _Builder(self._names | set(names))

    # plain values

    def _literal(self, value: Any) -> Run:
        return lambda _: value

    def _name(self, name: str) -> Run:
        if name in self._names:
            return lambda scope: scope[name]
        if name in TYPES:
            return lambda _: Type(name)
        if name in NOT_IMITATED:
            raise NotImitatedError(f"{name} in CEL expressions")
        raise CelError(f"undeclared reference to '{name}' (in container '')")

    def _list(self, elements: tuple[tuple[Node, bool], ...]) -> Run:
        parts = [(self.build(each), optional) for each, optional in elements]
        if not any(optional for _, optional in parts):
            runs = [run for run, _ in parts]
            return lambda scope: [run(scope) for run in runs]

        def make(scope: Scope) -> list[Any]:
            found = []
            for run, optional in parts:
                value = run(scope)
                if not optional:
                    found.append(value)
                elif _optional(value).present:
                    found.append(value.value)
            return found

        return make

    def _map(self, entries: tuple[tuple[Node, Node, bool], ...]) -> Run:
        parts = [(self.build(key), self.build(value), optional) for key, value, optional in entries]

        def make(scope: Scope) -> dict[Any, Any]:
            found: dict[Any, Any] = {}
            for key, value, optional in parts:
                name, put = key(scope), value(scope)
                if not isinstance(name, (str, int, bool)):
                    raise CelError(f"unsupported key type: {type_name(name)}")
                if name in found:
                    raise CelError(f"insert failed: key {name} already exists")
                if not optional:
                    found[name] = put
                elif _optional(put).present:
                    found[name] = put.value
            return found

        return make

    def _struct(self, name: str, entries: tuple[tuple[str, Node, bool], ...]) -> Run:
        if name.partition(".")[0] not in _STRUCTS:
            raise CelError(f"undeclared reference to '{name}' (in container '')")
        if name == "JSONPatch" and (unknown := {key for key, _, _ in entries} - {"op", "path", "from", "value"}):
            raise CelError(f"undefined field '{min(unknown)}'")
        parts = [(unescaped(key), self.build(value), optional) for key, value, optional in entries]

        def make(scope: Scope) -> Struct:
            found = Struct(name, {})
            for key, value, optional in parts:
                put = value(scope)
                if not optional:
                    found[key] = put
                elif _optional(put).present:
                    found[key] = put.value
            return found

        return make

    # reaching into values

    def _select(self, target: Node, field: str, optional: bool) -> Run:
        run = self.build(target)
        if optional:
            return lambda scope: _perhaps(run(scope), field)
        return lambda scope: _selected(run(scope), field)

    def _index(self, target: Node, key: Node, optional: bool) -> Run:
        run, at = self.build(target), self.build(key)
        if optional:
            return lambda scope: _perhaps(run(scope), at(scope))
        return lambda scope: _indexed(run(scope), at(scope))

    def _has(self, argument: Node) -> Run:
        if argument[0] != "select":
            raise CelError("invalid argument to has() macro")
        run, field = self.build(argument[1]), argument[2]

        def check(scope: Scope) -> bool:
            value = run(scope)
            if isinstance(value, Optional):
                return bool(_perhaps(value, field).present)
            if not isinstance(value, dict):
                raise CelError(f"no such overload: has() of {type_name(value)}")
            return _key(value, field) is not None

        return check

    # operators

    def _not(self, operand: Node) -> Run:
        run = self.build(operand)

        def negate(scope: Scope) -> bool:
            value = run(scope)
            if not isinstance(value, bool):
                raise NoOverloadError("no such overload")
            return not value

        return negate

    def _minus(self, operand: Node) -> Run:
        run = self.build(operand)

        def negate(scope: Scope) -> Any:
            value = run(scope)
            if isinstance(value, Uint) or not is_number(value):
                raise NoOverloadError("no such overload")
            return -value if isinstance(value, float) else whole(-value)

        return negate

    def _and(self, left: Node, right: Node) -> Run:
        one, other = self.build(left), self.build(right)
        return lambda scope: _both(lambda: one(scope), lambda: other(scope), decisive=False)

    def _or(self, left: Node, right: Node) -> Run:
        one, other = self.build(left), self.build(right)
        return lambda scope: _both(lambda: one(scope), lambda: other(scope), decisive=True)

    def _if(self, condition: Node, yes: Node, no: Node) -> Run:
        check, one, other = self.build(condition), self.build(yes), self.build(no)

        def choose(scope: Scope) -> Any:
            value = check(scope)
            if not isinstance(value, bool):
                raise NoOverloadError("no such overload")
            return one(scope) if value else other(scope)

        return choose

    def _binary(self, sign: str, left: Node, right: Node) -> Run:
        one, other = self.build(left), self.build(right)
        if sign == "==":
            return lambda scope: equal(one(scope), other(scope))
        if sign == "!=":
            return lambda scope: not equal(one(scope), other(scope))
        if sign == "in":
            return lambda scope: _contains(other(scope), one(scope), scope)
        if sign == "+":
            return lambda scope: _summed(one(scope), other(scope), scope)
        if sign in {"-", "*", "/", "%"}:
            return lambda scope: arithmetic(sign, one(scope), other(scope))
        held = {"<": (-1,), "<=": (-1, 0), ">": (1,), ">=": (0, 1)}[sign]

        def ordered(scope: Scope) -> bool:
            a, b = one(scope), other(scope)
            return compare(a, b) in held and a == a and b == b  # NaN is in no order

        return ordered

    # calls

    def _call(self, name: str, arguments: tuple[Node, ...]) -> Run:
        if name == "has" and len(arguments) == 1:
            return self._has(arguments[0])
        return self._calling(name, FUNCTIONS.get(name), arguments)

    def _method(self, target: Node, name: str, arguments: tuple[Node, ...]) -> Run:
        if target[0] == "name" and target[1] not in self._names:
            home = f"{target[1]}.{name}"
            if home == "cel.bind" and len(arguments) == 3 and arguments[0][0] == "name":
                return self._bind(arguments[0][1], arguments[1], arguments[2])
            if home in FUNCTIONS:
                return self._calling(home, FUNCTIONS[home], arguments)
            if target[1] in NOT_IMITATED:
                raise NotImitatedError(f"{home} in CEL expressions")
        if name in {"optMap", "optFlatMap"} and len(arguments) == 2 and arguments[0][0] == "name":
            return self._mapped(target, name, arguments[0][1], arguments[1])
        if name in _MACROS and len(arguments) >= 2 and arguments[0][0] == "name":
            return self._comprehension(target, name, arguments)
        return self._calling(name, METHODS.get(name), (target, *arguments))

    def _calling(self, name: str, function: Callable[..., Any] | None, arguments: tuple[Node, ...]) -> Run:
        runs = [self.build(each) for each in arguments]
        if function is None:
            if name in NOT_IMITATED:
                raise NotImitatedError(f"{name}() in CEL expressions")
            raise CelError(f"undeclared reference to '{name}' (in container '')")
        try:
            inspect.signature(function).bind(*runs)
        except TypeError:
            raise CelError(f"found no matching overload for '{name}' applied to {len(runs)} arguments") from None
        called = function

        def call(scope: Scope) -> Any:
            values = [run(scope) for run in runs]
            _spend(scope, 1 + sum(len(each) // 10 for each in values if isinstance(each, (str, bytes, list))))
            return called(*values)

        return call

    def _bind(self, name: str, value: Node, body: Node) -> Run:
        first, rest = self.build(value), self._with(name).build(body)
        return lambda scope: rest({**scope, name: first(scope)})

    def _mapped(self, target: Node, how: str, name: str, body: Node) -> Run:
        run, rest = self.build(target), self._with(name).build(body)

        def apply(scope: Scope) -> Optional:
            value = _optional(run(scope))
            if not value.present:
                return NONE
            found = rest({**scope, name: value.value})
            return Optional(found) if how == "optMap" else _optional(found)

        return apply

    def _comprehension(self, target: Node, macro: str, arguments: tuple[Node, ...]) -> Run:
        run = self.build(target)
        pairs = len(arguments) > 2 and arguments[1][0] == "name" and macro not in {"map", "filter", "exists_one"}
        count = 2 if pairs else 1
        names: list[str] = [each[1] for each in arguments[:count]]
        wanted = {"map": (1, 2), "transformList": (1, 2), "transformMap": (1, 2)}.get(macro, (1,))
        if len(arguments) - count not in wanted or (macro.startswith("transform") and not pairs):
            raise CelError(f"found no matching overload for '{macro}'")
        inner = self._with(*names)
        parts = [inner.build(each) for each in arguments[count:]]

        def scopes(scope: Scope) -> Iterable[tuple[Any, Any, Scope]]:
            value = run(scope)
            if not isinstance(value, (list, dict)):
                raise NoOverloadError(f"expression of type '{type_name(value)}' cannot be range of a comprehension")
            walk = value.items() if isinstance(value, dict) else enumerate(value)
            for key, each in walk:
                _spend(scope)
                if pairs:
                    yield key, each, {**scope, names[0]: key, names[1]: each}
                else:
                    one = key if isinstance(value, dict) else each
                    yield key, one, {**scope, names[0]: one}

        made: Run = _MAKERS[macro](scopes, *parts)
        return made


def _quantified(*, decisive: bool) -> Callable[[Scopes, Run], Run]:
    def make(scopes: Scopes, check: Run) -> Run:
        def quantify(scope: Scope) -> bool:
            failed: CelError | None = None
            for _, _, each in scopes(scope):
                try:
                    value = check(each)
                    if not isinstance(value, bool):
                        raise NoOverloadError("no such overload")
                except CelError as error:
                    failed = error
                    continue
                if value is decisive:
                    return decisive
            if failed is not None:
                raise failed
            return not decisive

        return quantify

    return make


def _exists_one(scopes: Scopes, check: Run) -> Run:
    return lambda scope: sum(_truth(check(each)) for _, _, each in scopes(scope)) == 1


def _filter(scopes: Scopes, check: Run) -> Run:
    return lambda scope: [value for _, value, each in scopes(scope) if _truth(check(each))]


def _mapping(scopes: Scopes, *parts: Run) -> Run:
    *checks, change = parts
    return lambda scope: [change(each) for _, _, each in scopes(scope) if all(_truth(check(each)) for check in checks)]


def _transform_map(scopes: Scopes, *parts: Run) -> Run:
    *checks, change = parts
    return lambda scope: {
        key: change(each) for key, _, each in scopes(scope) if all(_truth(check(each)) for check in checks)
    }


_MAKERS: dict[str, Any] = {
    "all": _quantified(decisive=False),
    "exists": _quantified(decisive=True),
    "exists_one": _exists_one,
    "existsOne": _exists_one,
    "filter": _filter,
    "map": _mapping,
    "transformList": _mapping,
    "transformMap": _transform_map,
}


def _truth(value: Any) -> bool:
    if not isinstance(value, bool):
        raise NoOverloadError("no such overload")
    return value


def _both(one: Callable[[], Any], other: Callable[[], Any], *, decisive: bool) -> bool:
    """`&&` and `||`: what decides on one side makes an error on the other count for nothing."""
    failed: CelError | None = None
    for run in (one, other):
        try:
            if _truth(run()) is decisive:
                return decisive
        except CelError as error:
            failed = failed or error
    if failed is not None:
        raise failed
    return not decisive


def _optional(value: Any) -> Optional:
    if not isinstance(value, Optional):
        raise NoOverloadError(f"no such overload: {type_name(value)} is no optional value")
    return value


def unescaped(name: str) -> str:
    """A field's name as objects have it: `__dash__` stands for `-`, `__namespace__` for a reserved word, and so on."""
    return _ESCAPED.sub(lambda found: _MEANS.get(found[1], found[1]), name)


def _key(value: Mapping[Any, Any], field: str) -> str | None:
    if field in value:
        return field
    other = unescaped(field)
    return other if other != field and other in value else None


def _selected(value: Any, field: str) -> Any:
    if isinstance(value, Optional):
        return _perhaps(value, field)
    if not isinstance(value, dict):
        raise CelError(f"no such key: {field}" if value is None else f"no such overload: {type_name(value)}.{field}")
    key = _key(value, field)
    if key is None:
        raise CelError(f"no such key: {field}")
    return value[key]


def _perhaps(value: Any, key: Any) -> Optional:
    if isinstance(value, Optional):
        if not value.present:
            return NONE
        value = value.value
    try:
        return Optional(_selected(value, key) if isinstance(key, str) else _indexed(value, key))
    except NoOverloadError:
        raise
    except CelError:
        return NONE


def _indexed(value: Any, key: Any) -> Any:
    if isinstance(value, Optional):
        return _perhaps(value, key)
    if isinstance(value, dict):
        if not _hashable(key) or key not in value:
            raise CelError(f"no such key: {shown(key) if _hashable(key) and key is not None else type_name(key)}")
        return value[key]
    if isinstance(value, list):
        if not is_number(key) or (isinstance(key, float) and not key.is_integer()):
            raise NoOverloadError("no such overload")
        if not 0 <= key < len(value):
            raise CelError(f"index out of bounds: {shown(key)}")
        return value[int(key)]
    raise NoOverloadError(f"no such overload: {type_name(value)}[...]")


def _hashable(value: Any) -> bool:
    return not isinstance(value, (list, dict))


def _contains(whole_: Any, part: Any, scope: Scope) -> bool:
    if isinstance(whole_, dict):
        return _hashable(part) and any(equal(key, part) for key in (part,) if key in whole_)
    if isinstance(whole_, list):
        _spend(scope, len(whole_))
        return any(equal(each, part) for each in whole_)
    raise NoOverloadError("no such overload")


def _summed(left: Any, right: Any, scope: Scope) -> Any:
    if isinstance(left, (str, bytes, list)) and isinstance(right, (str, bytes, list)):
        _spend(scope, (len(left) + len(right)) // 10)
    return add(left, right)
