"""Plays a recording of a real API server against any API server, and tells where the answers differ."""

from __future__ import annotations

import json
import re
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from compare import Symbols, differences

if TYPE_CHECKING:
    from wire import Answer, Server, Watch

_REFERENCE = re.compile(r"\{([a-z0-9-]+(?:\.[A-Za-z0-9-]+)+)\}")
_TRY_EVERY = 0.05
_PATIENCE = (
    20.0  # seconds in which the embedded server has to get to what was recorded; bounds a failure, measures nothing
)


@dataclass(frozen=True)
class Difference:
    """A step whose answer is not the recorded one."""

    step: str
    found: tuple[str, ...]

    def __str__(self) -> str:
        return "\n".join([f"{self.step}:", *(f"    {each}" for each in self.found)])


@dataclass
class Replay:
    """One recording being played.

    Args:
        server: who is asked.
        own: the server is the embedded one, started for this: its watches end once they have told, by a bookmark, that all that was
            written before has come, and where the recording pauses for a controller the next answers are awaited instead.
    """

    server: Server
    own: bool = True
    answers: dict[str, Any] = field(default_factory=dict)
    watches: dict[str, Watch] = field(default_factory=dict)
    symbols: Symbols = field(default_factory=Symbols)
    patience: float = 0.0

    def play(self, recording: dict[str, Any]) -> list[Difference]:
        """Play all steps, in order; what came of one that differs is still used by the later ones."""
        found = []
        for recorded in recording["steps"]:
            different = self._step(recorded)
            if different:
                found.append(Difference(recorded["step"]["id"], tuple(different)))
        return found

    def _step(self, recorded: dict[str, Any]) -> list[str]:
        step = recorded["step"]
        if "sleep" in step:
            self.patience = float(step["sleep"])
            if not self.own:
                threading.Event().wait(self.patience)
            return []
        if step.get("open_watch"):
            path = self._resolve(step["path"])
            if self.own:
                path = re.sub(r"timeoutSeconds=\d+", "timeoutSeconds=120", path)
                path += "" if "allowWatchBookmarks" in path else "&allowWatchBookmarks=true"
            self.watches[step["id"]] = self.server.watch(path, timeout=120 if self.own else step["seconds"] + 20)
            return []
        if "close_watch" in step:
            watch = self.watches.pop(step["close_watch"])
            events = watch.seen_until(self.server.move()) if self.own else watch.end()
            return self._compare(_without_bookmarks(recorded["events"]), _without_bookmarks(events), "events")
        return self._request(step, recorded)

    def _request(self, step: dict[str, Any], recorded: dict[str, Any]) -> list[str]:
        path, body = self._resolve(step["path"]), self._resolve(step.get("body"))
        # `until` counts tries of a fifth of a second; answers that a controller changes are awaited after a pause.
        awaited = step.get("until", 0) * 0.2
        if step["method"] == "GET" and not awaited:
            awaited = self.patience
        if self.own and awaited:
            awaited = max(awaited, _PATIENCE)
        deadline = time.monotonic() + awaited
        while True:
            before = self.symbols.copy()
            answer = self.server.ask(step["method"], path, body, step.get("headers"))
            found = self._judge(recorded, answer)
            if not found or time.monotonic() > deadline:
                break
            self.symbols = before
            threading.Event().wait(_TRY_EVERY)
        self.answers[step["id"]] = answer.body
        return found

    def _judge(self, recorded: dict[str, Any], answer: Answer) -> list[str]:
        found = []
        if answer.status != recorded["status"]:
            found.append(f"status: expected {recorded['status']}, got {answer.status}: {json.dumps(answer.body)[:400]}")
        if answer.type != recorded["type"]:
            found.append(f"content type: expected {recorded['type']}, got {answer.type}")
        return found or self._compare(recorded["body"], answer.body, "body")

    def _compare(self, expected: Any, actual: Any, path: str) -> list[str]:
        return list(differences(expected, actual, path, self.symbols))

    def _resolve(self, value: Any) -> Any:
        if isinstance(value, str):
            return _REFERENCE.sub(lambda match: str(self._look_up(match.group(1))), value)
        if isinstance(value, list):
            return [self._resolve(each) for each in value]
        if isinstance(value, dict):
            return {key: self._resolve(each) for key, each in value.items()}
        return value

    def _look_up(self, reference: str) -> Any:
        value: Any = self.answers
        for name in reference.split("."):
            if not isinstance(value, dict) or name not in value:
                return f"{{{reference}}}"
            value = value[name]
        return value


def _without_bookmarks(events: list[Any]) -> list[Any]:
    """Bookmarks come when the server likes; only the one that ends the initial events is promised."""
    return [each for each in events if each.get("type") != "BOOKMARK" or each["object"]["metadata"].get("annotations")]
