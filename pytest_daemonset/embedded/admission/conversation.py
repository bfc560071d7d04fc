"""What one write asks of webhooks, and what it has been answered: it is begun anew with each answer, until it needs no more.

So a write waits for nobody in the middle of its turn, holds nothing while a webhook thinks, and what a webhook has judged is what is
kept: when somebody else has changed the object in the meantime, it is asked again, as by kube-apiserver.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pytest_daemonset.embedded import statuses

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

Object = dict[str, Any]
Key = tuple[str, int, bytes]


@dataclass(frozen=True)
class Question:
    """One call of a webhook.

    Args:
        key: webhook, round and request, by which the answer is found again.
        review: the body, but for the uid, which is new for each call.
        version: of AdmissionReview.
        authorities: PEM certificates that its server's must come from; "" for those of this machine.
        timeout: in seconds.
    """

    key: Key
    webhook: str
    url: str
    authorities: str
    timeout: int
    version: str
    request: Object
    mutating: bool


@dataclass(frozen=True)
class Said:
    """What a webhook answered: `response` is an AdmissionResponse, checked."""

    response: Object


@dataclass(frozen=True)
class Failed:
    """Why a webhook could not be asked, or its answer not be read."""

    why: str


class Consultation(Exception):  # noqa: N818 - it is no error: the write goes on once the answers are there
    """A write cannot go on before webhooks have been asked."""

    def __init__(self, questions: Sequence[Question]) -> None:
        names = ", ".join(each.webhook for each in questions)
        super().__init__(f"webhooks have to be asked ({names}): write through Api.consulting or Api.attempt")
        self.questions = questions


@dataclass
class Conversation:
    """What one write knows by now.

    Args:
        began: when it was begun first.
        answers: of webhooks.
        drawn: what was drawn by lot, and must be the same when the write is begun anew.
    """

    began: datetime
    answers: dict[Key, Said | Failed] = field(default_factory=dict)
    drawn: dict[str, str] = field(default_factory=dict)

    def once(self, metadata: Object, *names: str) -> None:
        """Let fields of a new object's metadata be what they were when this write was begun first."""
        for name in names:
            if name in metadata:
                metadata[name] = self.drawn.setdefault(name, metadata[name])


def failure(why: str) -> statuses.StatusError:
    """500, as kube-apiserver words what went wrong inside of it."""
    return statuses.StatusError(500, "InternalError", f"Internal error occurred: {why}", {"causes": [{"message": why}]})
