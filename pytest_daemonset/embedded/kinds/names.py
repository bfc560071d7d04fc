"""Which texts may be names, label keys, label values and the like, after k8s.io/apimachinery pkg/util/validation."""

from __future__ import annotations

import re
from functools import lru_cache, wraps
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    Rule = Callable[[str], "list[str]"]

_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?", re.ASCII)
_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*", re.ASCII)
_QUALIFIED = re.compile(r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]", re.ASCII)
_ENVIRONMENT = re.compile(r"[ -<>-~]+", re.ASCII)
_PORT_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*", re.ASCII)
_CONFIG_KEY = re.compile(r"[-._a-zA-Z0-9]+", re.ASCII)


_WRONG_ENVIRONMENT = "a valid environment variable name must consist only of printable ASCII characters other than '='"
_SHORT = 320


def _repeated(rule: Rule) -> Rule:
    """A rule on texts that are the same in object after object: it is asked once about each that is not too long to remember."""
    remembered = lru_cache(maxsize=4096)(lambda text: tuple(rule(text)))

    @wraps(rule)
    def told(text: str) -> list[str]:
        return list(remembered(text)) if len(text) <= _SHORT else rule(text)

    return told


def _alphanumeric(what: str, also: str, examples: str, pattern: str) -> str:
    ends = "and must start and end with an alphanumeric character"
    return f"{what} consist of {also}, {ends} (e.g. {examples}, regex used for validation is '{pattern}')"


@_repeated
def dns_label(text: str) -> list[str]:
    """What is wrong with an RFC 1123 label, such as the name of a namespace or container."""
    wrong = []
    if len(text) > 63:
        wrong.append("must be no more than 63 characters")
    if "." in text and _SUBDOMAIN.fullmatch(text):
        wrong.append("must not contain dots")
    elif not _LABEL.fullmatch(text):
        wrong.append(
            _alphanumeric(
                "a lowercase RFC 1123 label must",
                "lower case alphanumeric characters or '-'",
                "'my-name',  or '123-abc'",
                "[a-z0-9]([-a-z0-9]*[a-z0-9])?",
            )
        )
    return wrong


def dns_subdomain(text: str) -> list[str]:
    """What is wrong with an RFC 1123 subdomain, such as the name of a pod."""
    wrong = []
    if len(text) > 253:
        wrong.append("must be no more than 253 characters")
    if not _SUBDOMAIN.fullmatch(text):
        also = "lower case alphanumeric characters, '-' or '.'"
        pattern = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*"
        wrong.append(_alphanumeric("a lowercase RFC 1123 subdomain must", also, "'example.com'", pattern))
    return wrong


def path_segment(text: str) -> list[str]:
    """What is wrong with a name that only has to fit into a URL."""
    if text in {".", ".."}:
        return [f"may not be '{text}'"]
    return [f"may not contain '{sign}'" for sign in "/%" if sign in text]


@_repeated
def qualified_name(text: str) -> list[str]:
    """What is wrong with the key of a label, annotation or taint: an optional DNS prefix, a slash, and a name."""
    prefix, slash, name = text.rpartition("/")
    wrong = []
    also, examples = "alphanumeric characters, '-', '_' or '.'", "'MyName',  or 'my.name',  or '123-abc'"
    pattern = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
    if "/" in prefix:
        whole = _alphanumeric("a valid label key must", also, examples, pattern)
        return [f"{whole} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"]
    if slash and not prefix:
        wrong.append("prefix part must be non-empty")
    elif slash:
        wrong += [f"prefix part {each}".replace("253 characters", "253 bytes") for each in dns_subdomain(prefix)]
    if not name:
        wrong.append("name part must be non-empty")
    elif len(name) > 63:
        wrong.append("name part must be no more than 63 bytes")
    if not _QUALIFIED.fullmatch(name):
        wrong.append(_alphanumeric("name part must", also, examples, pattern))
    return wrong


@_repeated
def label_value(text: str) -> list[str]:
    """What is wrong with the value of a label."""
    wrong = []
    if len(text) > 63:
        wrong.append("must be no more than 63 bytes")
    if text and not _QUALIFIED.fullmatch(text):
        also = "alphanumeric characters, '-', '_' or '.'"
        examples, pattern = "'MyValue',  or 'my_value',  or '12345'", "(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?"
        wrong.append(_alphanumeric("a valid label must be an empty string or", also, examples, pattern))
    return wrong


@_repeated
def environment_name(text: str) -> list[str]:
    """What is wrong with the name of an environment variable."""
    return [] if _ENVIRONMENT.fullmatch(text) else [_WRONG_ENVIRONMENT]


def port_name(text: str) -> list[str]:
    """What is wrong with the name of a port (an IANA service name)."""
    if len(text) > 15:
        return ["must be no more than 15 characters"]
    if not _PORT_NAME.fullmatch(text):
        return ["must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-) between them"]
    return [] if any(sign.isalpha() for sign in text) else ["must contain at least one letter (a-z)"]


def config_key(text: str) -> list[str]:
    """What is wrong with a key in a ConfigMap or Secret."""
    if len(text) > 253:
        return ["must be no more than 253 characters"]
    if not _CONFIG_KEY.fullmatch(text):
        return ["a valid config key must consist of alphanumeric characters, '-', '_' or '.'"]
    return ["may not be '.' or start with '..'"] if text == "." or text.startswith("..") else []


NAME_RULES: MappingProxyType[str, Rule] = MappingProxyType(
    {"label": dns_label, "subdomain": dns_subdomain, "path-segment": path_segment}
)
