"""What the API server answered when it refused: the Status object, as an exception that can be read."""

from __future__ import annotations

from typing import Any

import orjson


class ApiError(Exception):
    """A request that the API server answered with a failure.

    Attributes:
        status: the HTTP status code.
        reason: the machine-readable reason, such as ``NotFound`` or ``AlreadyExists``; empty if the answer had none.
        message: the server's sentence.
        details: the Status object's ``details``, empty if it had none.
        request: what was asked, such as ``PATCH /api/v1/nodes/w1``.
        retry_after: seconds that the server asked to wait, if it did.
    """

    def __init__(
        self,
        status: int,
        reason: str = "",
        message: str = "",
        details: dict[str, Any] | None = None,
        *,
        request: str = "",
        retry_after: float | None = None,
    ) -> None:
        super().__init__(status, reason, message)
        self.status = status
        self.reason = reason
        self.message = message
        self.details: dict[str, Any] = details or {}
        self.request = request
        self.retry_after = retry_after

    def __str__(self) -> str:
        causes = "".join(
            f"\n  {cause.get('field', '?')}: {cause.get('message', '')}" for cause in self.details.get("causes") or ()
        )
        asked = f"{self.request}: " if self.request else ""
        return f"{asked}{self.status} {self.reason or 'no reason given'}: {self.message or 'no message'}{causes}"

    @classmethod
    def from_answer(cls, status: int, body: bytes, *, request: str = "", retry_after: str | None = None) -> ApiError:
        """The exception for an HTTP answer; a body that is no Status object becomes the message, shortened."""
        wait = float(retry_after) if retry_after is not None and retry_after.isdecimal() else None
        try:
            told = orjson.loads(body)
        except orjson.JSONDecodeError:
            told = None
        if not isinstance(told, dict) or told.get("kind") != "Status":
            return cls(status, "", body[:500].decode("utf-8", "replace"), request=request, retry_after=wait)
        return cls.from_status(told, request=request, status=status, retry_after=wait)

    @classmethod
    def from_status(
        cls, told: dict[str, Any], *, request: str = "", status: int | None = None, retry_after: float | None = None
    ) -> ApiError:
        """The exception for a Status object, such as the object of a watch's ERROR event."""
        details = told.get("details") or {}
        if retry_after is None and details.get("retryAfterSeconds"):
            retry_after = float(details["retryAfterSeconds"])
        return cls(
            status if status is not None else int(told.get("code") or 500),
            told.get("reason") or "",
            told.get("message") or "",
            details,
            request=request,
            retry_after=retry_after,
        )
