"""The Status objects by which Kubernetes tells errors: reason, details, causes and code as kube-apiserver answers them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable

Object = dict[str, Any]

LATE = (404, 409)
"""The codes of a write that comes too late: what it was about is gone or has changed."""


class Cause(Protocol):
    """What an invalid field gives a Status: `embedded.kinds.fielderrors.FieldError` is one."""

    @property
    def field(self) -> str:
        """The path of the field, as in `spec.containers[0].image`."""

    def cause(self) -> Object:
        """`{"reason": ..., "message": ..., "field": ...}`."""


class StatusError(Exception):
    """A request that is answered with a Status of failure.

    Args:
        code: the HTTP status.
        reason: the reason as a machine reads it ("" where Kubernetes gives none).
        message: the reason for people.
        details: name, group, kind, causes; None where the answer has none.
    """

    def __init__(self, code: int, reason: str, message: str, details: Object | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message
        self.details = details
        self.warnings: list[str] = []
        """What clients are warned of all the same."""

    @property
    def status(self) -> Object:
        """The body of the answer."""
        body: Object = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
        }
        if self.reason:
            body["reason"] = self.reason
        if self.details is not None:
            body["details"] = self.details
        body["code"] = self.code
        return body


def _of(group: str, kind: str, name: str = "", **more: Any) -> Object:
    details: Object = {}
    if name:
        details["name"] = name
    if group:
        details["group"] = group
    if kind:
        details["kind"] = kind
    return {**details, **more}


def _qualified(group: str, resource: str) -> str:
    return f"{resource}.{group}" if group else resource


def success(details: Object | None = None, code: int | None = None) -> Object:
    """The Status of something that was done."""
    body: Object = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}
    if details is not None:
        body["details"] = details
    if code is not None:
        body["code"] = code
    return body


def deleted(group: str, resource: str, name: str, uid: str) -> Object:
    """What DELETE answers for most kinds."""
    return success(_of(group, resource, name, uid=uid))


def not_found(group: str, resource: str, name: str) -> StatusError:
    """404: no object of that name."""
    return StatusError(404, "NotFound", f'{_qualified(group, resource)} "{name}" not found', _of(group, resource, name))


def no_such_resource() -> StatusError:
    """404: no resource at that path."""
    return StatusError(404, "NotFound", "the server could not find the requested resource", {})


def already_exists(group: str, resource: str, name: str) -> StatusError:
    """409: the name is taken."""
    return StatusError(
        409, "AlreadyExists", f'{_qualified(group, resource)} "{name}" already exists', _of(group, resource, name)
    )


def conflict(group: str, resource: str, name: str, why: str) -> StatusError:
    """409: the object is not what the request takes it for."""
    text = f'Operation cannot be fulfilled on {_qualified(group, resource)} "{name}": {why}'
    return StatusError(409, "Conflict", text, _of(group, resource, name))


def modified(group: str, resource: str, name: str) -> StatusError:
    """409: somebody was faster."""
    why = "the object has been modified; please apply your changes to the latest version and try again"
    return conflict(group, resource, name, why)


def bad_request(message: str) -> StatusError:
    """400."""
    return StatusError(400, "BadRequest", message)


def invalid(group: str, kind: str, name: str, errors: Iterable[Cause]) -> StatusError:
    """422: fields that break the rules of the kind."""
    causes = [error.cause() for error in errors]
    texts = list(dict.fromkeys(f"{cause['field']}: {cause['message']}" for cause in causes))
    said = texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"
    message = f'{_qualified(group, kind)} "{name}" is invalid: {said}'
    return StatusError(422, "Invalid", message, _of(group, kind, name, causes=causes))


def invalid_option(options: str, field: str, reason: str, message: str) -> StatusError:
    """422: a request option that Kubernetes does not know; `options` is such as "CreateOptions"."""
    causes = [{"reason": reason, "message": message, "field": field}]
    text = f'{options}.meta.k8s.io "" is invalid: {field}: {message}'
    return StatusError(422, "Invalid", text, _of("meta.k8s.io", options, causes=causes))


def forbidden(group: str, resource: str, name: str, why: str, causes: list[Object] | None = None) -> StatusError:
    """403."""
    said = (
        f'{_qualified(group, resource)} "{name}" is forbidden: {why}'
        if name
        else f"{_qualified(group, resource)} is forbidden: {why}"
    )
    details = _of(group, resource, name)
    if causes:
        details["causes"] = causes
    return StatusError(403, "Forbidden", said, details)


def unauthorized() -> StatusError:
    """401: a token that nobody has."""
    return StatusError(401, "Unauthorized", "Unauthorized")


def method_not_allowed() -> StatusError:
    """405."""
    return StatusError(405, "MethodNotAllowed", "the server does not allow this method on the requested resource", {})


def unsupported_media_type(accepted: str) -> StatusError:
    """415: a body in a format that is not read here."""
    text = f"the body of the request was in an unknown format - accepted media types include: {accepted}"
    return StatusError(415, "UnsupportedMediaType", text)


def unsupported_patch() -> StatusError:
    """415: a kind of patch that the resource does not take."""
    return StatusError(415, "UnsupportedMediaType", "415: Unsupported Media Type", {})


def not_acceptable(accepted: str) -> StatusError:
    """406: no format of the Accept header is written here."""
    return StatusError(406, "NotAcceptable", f"406: Not Acceptable\n\nAvailable representations: {accepted}", {})


def rejected() -> StatusError:
    """422: a JSON patch that could not be applied."""
    return StatusError(422, "Invalid", "the server rejected our request due to an error in our request", {})


def too_many_requests(message: str, reason: str, why: str) -> StatusError:
    """429, with its cause."""
    return StatusError(429, "TooManyRequests", message, {"causes": [{"reason": reason, "message": why}]})


def too_large(limit: int) -> StatusError:
    """413: the body has more bytes than the server reads."""
    return StatusError(413, "RequestEntityTooLarge", f"Request entity too large: limit is {limit}")


def too_large_object(values: int) -> StatusError:
    """413: the object has more fields, entries and elements than the server looks at."""
    return StatusError(413, "RequestEntityTooLarge", f"Request entity too large: limit is {values} values")


def too_slow() -> StatusError:
    """504: the body did not come in time."""
    return StatusError(504, "Timeout", "Timeout: request did not complete within the allotted timeout")


def expired(message: str) -> StatusError:
    """410: that past has been forgotten."""
    return StatusError(410, "Expired", message)


def too_new(asked: int, current: int) -> StatusError:
    """504: a resourceVersion that does not exist yet."""
    causes = [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}]
    text = f"Timeout: Too large resource version: {asked}, current: {current}"
    return StatusError(504, "Timeout", text, {"causes": causes, "retryAfterSeconds": 1})


def not_imitated(what: str) -> StatusError:
    """501: Kubernetes does this, the embedded server does not; the request is counted."""
    text = f"the embedded API server does not imitate {what}: ask a real cluster, or open an issue"
    return StatusError(501, "NotImplemented", text)
