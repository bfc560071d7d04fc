"""From text to a tree, by the grammar of the language definition (github.com/google/cel-spec, doc/langdef.md), with optional syntax."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

from pytest_daemonset.embedded.cel.values import LIMIT, CelError, Uint

if TYPE_CHECKING:
    from collections.abc import Callable

_TOKEN = re.compile(
    r"""(?P<space>(?:\s|//[^\n]*)+)
    |(?P<number>0[xX][0-9a-fA-F]+[uU]?|(?:\d+\.\d+|\.\d+)(?:[eE][+-]?\d+)?|\d+[eE][+-]?\d+|\d+[uU]?)
    |(?P<string>(?:[rR][bB]?|[bB][rR]?)?(?:\"\"\"(?:[^\\]|\\.)*?\"\"\"|'''(?:[^\\]|\\.)*?'''|\"(?:[^\"\\\n]|\\.)*\"|'(?:[^'\\\n]|\\.)*'))
    |(?P<name>[A-Za-z_][A-Za-z0-9_]*)
    |(?P<sign>\.\?|\[\?|&&|\|\||==|!=|<=|>=|[-+*/%!<>?:.,(){}\[\]])""",
    re.VERBOSE | re.DOTALL,
)
_ESCAPE = re.compile(
    r"\\(?:x[0-9a-fA-F]{2}|X[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|[0-3][0-7]{2}|.)", re.DOTALL
)
_PLAIN = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_RELATIONS = frozenset({"==", "!=", "<", "<=", ">", ">=", "in"})
_DEEPEST = 200
_RESERVED = frozenset(
    [
        "as",
        "break",
        "const",
        "continue",
        "else",
        "for",
        "function",
        "if",
        "import",
        "let",
        "loop",
        "package",
        "namespace",
        "return",
        "var",
        "void",
        "while",
    ]
)

Node = tuple[Any, ...]  # a word that says what it is, and its parts; see `Parser`


class Token(NamedTuple):
    """One word, and where it stands."""

    kind: str
    text: str
    at: int


def _tokens(text: str) -> list[Token]:
    found, at = [], 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise CelError(f"Syntax error: token recognition error at: '{text[at : at + 10]}'")
        kind = match.lastgroup or ""
        word = match[0]
        if kind == "string" and "'" not in word[:3] and '"' not in word[:3]:
            raise CelError(f"Syntax error: token recognition error at: '{word[:10]}'")
        if kind != "space":
            found.append(Token(kind, word, at))
        at = match.end()
    return [*found, Token("end", "<EOF>", at)]


def parse(text: str) -> Node:
    """The tree of an expression.

    Raises:
        CelError: the text is no expression.
    """
    parser = Parser(text)
    tree = parser.expression()
    parser.expect("<EOF>", kind="end")
    return tree


class Parser:
    """Reads one expression. Nodes are `(what, ...)`:

    literal VALUE; name NAME; select TARGET FIELD OPTIONAL; index TARGET KEY OPTIONAL; call NAME ARGS; method TARGET NAME ARGS;
    list ((ELEMENT, OPTIONAL)...); map ((KEY, VALUE, OPTIONAL)...); struct NAME ((FIELD, VALUE, OPTIONAL)...);
    and, or, if, not, minus, binary.
    """

    def __init__(self, text: str) -> None:
        self._words = _tokens(text)
        self._at = 0
        self._depth = 0

    @property
    def _next(self) -> Token:
        return self._words[self._at]

    def _take(self) -> Token:
        word = self._next
        self._at += 1
        return word

    def _has(self, *texts: str) -> bool:
        word = self._next
        return word.text in texts and word.kind in {"sign", "name"}

    def _if(self, *texts: str) -> str:
        return self._take().text if self._has(*texts) else ""

    def expect(self, text: str, kind: str = "sign") -> str:
        """Take a word that must come here."""
        word = self._take()
        if word.kind != kind or (text and word.text != text):
            self._at -= 1
            raise CelError(f"Syntax error: mismatched input '{word.text}' at {word.at + 1} expecting {text or kind}")
        return word.text

    def expression(self) -> Node:
        """`a ? b : c`."""
        self._depth += 1
        if self._depth > _DEEPEST:
            raise CelError(f"expression recursion limit exceeded: {_DEEPEST}")
        first = self._or()
        if self._if("?"):
            yes = self._or()
            self.expect(":")
            first = ("if", first, yes, self.expression())
        self._depth -= 1
        return first

    def _or(self) -> Node:
        left = self._and()
        while self._if("||"):
            left = ("or", left, self._and())
        return left

    def _and(self) -> Node:
        left = self._relation()
        while self._if("&&"):
            left = ("and", left, self._relation())
        return left

    def _relation(self) -> Node:
        left = self._sum()
        while sign := self._if(*_RELATIONS):
            left = ("binary", sign, left, self._sum())
        return left

    def _sum(self) -> Node:
        left = self._product()
        while sign := self._if("+", "-"):
            left = ("binary", sign, left, self._product())
        return left

    def _product(self) -> Node:
        left = self._unary()
        while sign := self._if("*", "/", "%"):
            left = ("binary", sign, left, self._unary())
        return left

    def _unary(self) -> Node:
        signs = ""
        while self._has("!", "-") and (not signs or signs[0] == self._next.text):
            signs += self._take().text
        if signs.startswith("-") and self._next.kind == "number":
            # the lowest int has no positive twin
            word = self._take()
            value = _number(word.text, negative=len(signs) % 2 == 1)
            return self._member(("literal", value))
        node = self._member(self._primary())
        if len(signs) % 2:
            return ("not" if signs[0] == "!" else "minus", node)
        return node

    def _member(self, node: Node) -> Node:
        while sign := self._if(".", ".?", "[", "[?"):
            optional = sign.endswith("?")
            if sign[0] == "[":
                node = ("index", node, self.expression(), optional)
                self.expect("]")
                continue
            name = self.expect("", kind="name")
            if name == "in":
                raise CelError("Syntax error: mismatched input 'in'")
            if not optional and self._if("("):
                node = ("method", node, name, self._arguments(")"))
            elif not optional and self._has("{") and (whole := _dotted(node)):
                node = self._struct(f"{whole}.{name}")
            else:
                node = ("select", node, name, optional)
        return node

    def _arguments(self, end: str) -> tuple[Node, ...]:
        found = []
        while not self._has(end):
            found.append(self.expression())
            if not self._if(","):
                break
        self.expect(end)
        return tuple(found)

    def _primary(self) -> Node:
        word = self._take()
        if word.kind == "number":
            return ("literal", _number(word.text, negative=False))
        if word.kind == "string":
            return ("literal", _string(word.text))
        if word.kind == "name":
            return self._named(word.text)
        if word.text == "(":
            node = self.expression()
            self.expect(")")
            return node
        if word.text == "[":
            return self._list()
        if word.text == "[?":
            return self._list(first=True)
        if word.text == "{":
            return ("map", self._entries(self.expression))
        if word.text == "." and self._next.kind == "name":
            return self._named(self._take().text)
        raise CelError(f"Syntax error: mismatched input '{word.text}' at {word.at + 1}")

    def _named(self, name: str) -> Node:
        constants = {"true": True, "false": False, "null": None}
        if name in constants:
            return ("literal", constants[name])
        if name in _RESERVED or name == "in":
            raise CelError(f"Syntax error: reserved identifier: {name}")
        if self._if("("):
            return ("call", name, self._arguments(")"))
        if self._has("{"):
            return self._struct(name)
        return ("name", name)

    def _list(self, *, first: bool = False) -> Node:
        found, optional = [], first
        while first or not self._has("]"):
            optional = first or bool(self._if("?"))
            first = False
            found.append((self.expression(), optional))
            if not self._if(","):
                break
        self.expect("]")
        return ("list", tuple(found))

    def _struct(self, name: str) -> Node:
        self.expect("{")
        return ("struct", name, self._entries(lambda: self.expect("", kind="name")))

    def _entries(self, key: Callable[[], Any]) -> tuple[tuple[Any, Node, bool], ...]:
        """`key` reads a name for structs, a tree for maps."""
        found = []
        while not self._has("}"):
            optional = bool(self._if("?"))
            name = key()
            self.expect(":")
            found.append((name, self.expression(), optional))
            if not self._if(","):
                break
        self.expect("}")
        return tuple(found)


def _dotted(node: Node) -> str:
    if node[0] == "name":
        return str(node[1])
    if node[0] == "select" and not node[3] and (above := _dotted(node[1])):
        return f"{above}.{node[2]}"
    return ""


def _number(text: str, *, negative: bool) -> int | float:
    sign = -1 if negative else 1
    if text[-1] in "uU":
        if negative:
            raise CelError(f"Syntax error: invalid uint literal: -{text}")
        unsigned = int(text[:-1], 0 if text[:2].lower() == "0x" else 10)
        if unsigned >= 2 * LIMIT:
            raise CelError(f"Syntax error: invalid uint literal: {text}")
        return Uint(unsigned)
    if text[:2].lower() == "0x" or text.isdigit():
        if len(text) > 40:
            raise CelError("Syntax error: invalid int literal")
        value = sign * int(text, 0 if text[:2].lower() == "0x" else 10)
        if not -LIMIT <= value < LIMIT:
            raise CelError(f"Syntax error: invalid int literal: {text}")
        return value
    return sign * float(text)


def _string(text: str) -> str | bytes:
    prefix = text[: min(text.find("'") % (len(text) + 1), text.find('"') % (len(text) + 1))].lower()
    body = text[len(prefix) :]
    quotes = 3 if body[:3] in {'"""', "'''"} else 1
    body = body[quotes:-quotes]
    if "b" not in prefix:
        return body if "r" in prefix else _ESCAPE.sub(lambda found: _escaped(found[0]), body)
    if "r" in prefix:
        return body.encode()
    parts, at = [], 0
    for found in _ESCAPE.finditer(body):
        parts.append(body[at : found.start()].encode())
        octet = found[0][1] in "xX01234567"
        parts.append(bytes([ord(_escaped(found[0]))]) if octet else _escaped(found[0]).encode())
        at = found.end()
    return b"".join([*parts, body[at:].encode()])


def _escaped(text: str) -> str:
    what = text[1]
    if what in _PLAIN:
        return _PLAIN[what]
    if what in "xXuU":
        code = int(f"0x{text[2:]}", 0) if len(text) > 2 else -1
    elif what in "0123" and len(text) == 4:
        code = int(text[1:], 8)
    elif what in "\\\"'`?":
        return what
    else:
        code = -1
    if not 0 <= code < 0x110000 or 0xD800 <= code < 0xE000:
        raise CelError(f"Syntax error: token recognition error at: '{text}'")
    return chr(code)
