"""Requests to an API server as a recording has them: plain HTTPS, one connection each, nothing decoded but JSON."""

from __future__ import annotations

import base64
import http.client
import json
import socket
import ssl
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import yaml

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Answer:
    status: int
    type: str
    body: Any


class Server:
    """An API server that a kubeconfig file names: by token or by client certificate, inline or in files."""

    def __init__(self, kubeconfig: Path) -> None:
        config = yaml.safe_load(kubeconfig.read_text(encoding="utf-8"))
        current = next(each["context"] for each in config["contexts"] if each["name"] == config["current-context"])
        cluster = next(each["cluster"] for each in config["clusters"] if each["name"] == current["cluster"])
        user = next(each["user"] for each in config["users"] if each["name"] == current["user"])
        self._context = ssl.create_default_context()
        if "certificate-authority-data" in cluster:
            authority = base64.b64decode(cluster["certificate-authority-data"]).decode()
            self._context.load_verify_locations(cadata=authority)
        elif "certificate-authority" in cluster:
            self._context.load_verify_locations(cluster["certificate-authority"])
        if "client-certificate" in user:
            self._context.load_cert_chain(user["client-certificate"], user["client-key"])
        self._headers = {"Authorization": f"Bearer {user['token']}"} if "token" in user else {}
        self._address = urlsplit(cluster["server"])

    def _open(
        self, method: str, path: str, body: Any, headers: dict[str, str], timeout: float
    ) -> tuple[http.client.HTTPSConnection, http.client.HTTPResponse]:
        sent = {**self._headers, "Accept": "application/json", **headers}
        sent = {name: value for name, value in sent.items() if value}
        data = None
        if body is not None:
            sent.setdefault("Content-Type", "application/json")
            data = (body if isinstance(body, str) else json.dumps(body)).encode()
        host, port = self._address.hostname or "", self._address.port
        connection = http.client.HTTPSConnection(host, port, timeout=timeout, context=self._context)
        connection.request(method, path, body=data, headers=sent)
        return connection, connection.getresponse()

    def ask(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Answer:
        connection, response = self._open(method, path, body, headers or {}, timeout=30)
        try:
            return _answer(response)
        finally:
            connection.close()

    def move(self) -> int:
        """Write something that no recording looks at, so that watches are told how far the store is: its version."""
        leases = "/apis/coordination.k8s.io/v1/namespaces/default/leases"
        made = self.ask("POST", leases, {"metadata": {"generateName": "moved-"}})
        return int(made.body["metadata"]["resourceVersion"])

    def watch(self, path: str, timeout: float) -> Watch:
        connection, response = self._open("GET", path, None, {}, timeout)
        return Watch(connection, response)


class Watch:
    """A watch that is read by a thread, to its end or until it has told enough."""

    def __init__(self, connection: http.client.HTTPSConnection, response: http.client.HTTPResponse) -> None:
        self._connection = connection
        self._events: list[Any] = []
        self._failure: OSError | None = None
        self._moved = threading.Condition()
        self._version = 0
        self._ended = False
        self._thread = threading.Thread(target=self._read, args=(response,), daemon=True)
        self._thread.start()

    def _read(self, response: http.client.HTTPResponse) -> None:
        try:
            if response.status != 200:
                answer = _answer(response)
                self._events.append({"status": answer.status, "body": answer.body})
                return
            for line in response:
                event = json.loads(line)
                self._events.append(event)
                with self._moved:
                    version = event["object"].get("metadata", {}).get("resourceVersion")
                    self._version = int(version or self._version)
                    self._moved.notify_all()
        except (OSError, ValueError) as error:
            self._failure = error if isinstance(error, OSError) else OSError(str(error))
        finally:
            with self._moved:
                self._ended = True
                self._moved.notify_all()

    def seen_until(self, version: int) -> list[Any]:
        """The events up to a version of the store: by a bookmark the server tells that there are no more of them."""
        with self._moved:
            self._moved.wait_for(lambda: self._ended or self._version >= version, timeout=60)
            if self._ended and self._failure is not None:
                raise self._failure
            assert self._ended or self._version >= version, f"told up to {self._version} of {version} in 60 s"
            events = list(self._events)
        if self._connection.sock is not None:
            self._connection.sock.shutdown(socket.SHUT_RDWR)  # wakes the reader
        self._thread.join()
        self._connection.close()
        return events

    def end(self) -> list[Any]:
        """All events, once the server has ended the watch."""
        self._thread.join()
        self._connection.close()
        if self._failure is not None:
            raise self._failure
        return self._events


def _answer(response: http.client.HTTPResponse) -> Answer:
    data = response.read().decode()
    kind = response.headers.get_content_type()
    return Answer(response.status, kind, json.loads(data) if kind == "application/json" else data)
