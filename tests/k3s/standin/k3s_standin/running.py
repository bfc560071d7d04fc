"""A virtual kubelet whose pods really run where their images hold a program; and its door for logs, at 10250."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import signal
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from aiohttp import web

from k3s_standin.images import ImageKubelet, canonical
from k3s_standin.rootfs import program_of
from k3s_standin.settings import say
from k3s_standin.tasks import LOGS, Task
from pytest_daemonset.kubelets import pods as views
from pytest_daemonset.kubelets.kubelet import pod_path

PORT = 10250
_BACK_OFF = 10.0  # seconds that the second restart waits; each further one twice as long
_LONGEST = 300.0

Object = dict[str, Any]


class Access:
    """What a kubelet knows of the server; set once it has joined."""

    server = ""
    token = ""
    ca = ""


class Sandbox:
    """The containers of one pod.

    Args:
        pod: whose.
        kubelet: runs it.
        restarts: how often they were started before, with the machine.
    """

    def __init__(self, pod: Object, kubelet: RunningKubelet, restarts: int = 0) -> None:
        self.uid = pod["metadata"]["uid"]
        self.started = self.ending = False
        self.tasks: dict[str, Task] = {}
        self._pod = pod
        self._kubelet = kubelet
        self._restarts = {one["name"]: restarts for one in pod["spec"]["containers"]}
        self._last: dict[str, Object] = {}
        self._spec: Object = {}
        self._secret: dict[str, str] = {}

    async def start(self) -> None:
        """Start all of them."""
        api = self._kubelet._api
        whole = await api.request("GET", pod_path(self._pod))
        self._spec = whole["spec"]
        namespace = self._pod["metadata"]["namespace"]
        account = self._spec.get("serviceAccountName") or "default"
        wanted = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token"
        told = await api.request("POST", path, wanted)
        self._secret = {"token": told["status"]["token"], "ca.crt": Access.ca, "namespace": namespace}
        for container in self._spec["containers"]:
            self._begin(container)
        await asyncio.gather(*(task.begun.wait() for task in self.tasks.values()))
        self.started = True
        self._kubelet.wake(self.uid)

    def _begin(self, container: Object) -> None:
        name = container["name"]
        program = program_of(canonical(container["image"]))
        if program is None:
            return  # a tiny one
        where = urlsplit(Access.server)
        env = {
            "KUBERNETES_SERVICE_HOST": str(where.hostname),
            "KUBERNETES_SERVICE_PORT": str(where.port),
            "HOSTNAME": self._pod["metadata"]["name"],
        }
        log = LOGS / self.uid / name / f"{self._restarts[name]}.log"
        task = Task(program, container, env, self._secret, log, lambda: self._ended(container))
        self.tasks[name] = task
        task.start()

    def _ended(self, container: Object) -> None:
        if not self.ending:
            asyncio.get_running_loop().create_task(self._again(container))
        self._kubelet.wake(self.uid)

    async def _again(self, container: Object) -> None:
        name = container["name"]
        count = self._restarts[name]
        if count:
            await asyncio.sleep(min(_LONGEST, _BACK_OFF * 2 ** (count - 1)))
        if not self.ending:
            self._last[name] = _over(self.tasks[name])
            self._restarts[name] += 1
            self._begin(container)
            self._kubelet.wake(self.uid)

    def rows(self, rows: list[Object]) -> list[Object]:
        """The statuses of the containers, as they are now."""
        return [self._row(row) for row in rows]

    def _row(self, row: Object) -> Object:
        task = self.tasks.get(row["name"])
        if task is None:
            return row
        name, count = row["name"], self._restarts[row["name"]]
        lives = task.code is None
        last = self._last.get(name)
        state: Object = {"running": {"startedAt": task.started}}
        if not lives:
            last = _over(task)
            text = "back-off restarting failed container"
            state = {"waiting": {"reason": "CrashLoopBackOff", "message": text}} if count else {"terminated": last}
        return {
            **row,
            "containerID": f"containerd://{task.id}",
            "restartCount": count,
            "ready": lives,
            "started": lives,
            "state": {key: state.get(key) for key in ("running", "waiting", "terminated")},
            "lastState": {"terminated": last} if last else {},
        }

    async def end(self, grace: float) -> None:
        """End all of them, for good."""
        self.ending = True
        await asyncio.gather(*(task.end(grace) for task in self.tasks.values()))
        self._kubelet.sandboxes.pop(self.uid, None)
        self._kubelet.wake(self.uid)

    @property
    def grace(self) -> float:
        """Seconds that they have to end."""
        return float(self._spec.get("terminationGracePeriodSeconds", 30))


def _over(task: Task) -> Object:
    return {
        "exitCode": task.code,
        "reason": task.reason,
        "startedAt": task.started,
        "finishedAt": task.finished,
        "containerID": f"containerd://{task.id}",
    }


class RunningKubelet(ImageKubelet):
    """Pods with a program run; all others are virtual."""

    __slots__ = ("sandboxes",)

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.sandboxes: dict[str, Sandbox] = {}

    def _next(self, uid: str) -> Object | str | None:
        pod = self.pods.get(uid)
        if pod is None or not any(program_of(canonical(one["image"])) for one in pod["spec"]["containers"]):
            return super()._next(uid)
        box = self.sandboxes.get(uid)
        if views.terminating(pod):
            if box is None:
                return "delete"
            if not box.ending:
                box.ending = True
                self._soon(box.end(box.grace))
            return None
        if views.phase(pod) == "Pending":
            step = super()._next(uid)
            if not isinstance(step, dict) or (step.get("status") or {}).get("phase") != "Running":
                return step
            if not self._has_begun(pod, 0):
                return None
            assert box is not None
            status = step["status"]
        else:
            count = max((int(row["restartCount"]) for row in pod["status"].get("containerStatuses") or ()), default=0)
            if not self._has_begun(pod, count + 1):  # after the machine was started anew
                return None
            assert box is not None
            status = {"phase": "Running", "containerStatuses": pod["status"]["containerStatuses"]}
        rows = box.rows(status["containerStatuses"])
        if views.phase(pod) != "Pending" and rows == _said(pod):
            return None
        ready = all(row["ready"] for row in rows)
        return views._patch(
            pod, {**status, "containerStatuses": rows, "conditions": views._conditions(pod, ready=ready)}
        )

    def _has_begun(self, pod: Object, restarts: int) -> bool:
        uid = pod["metadata"]["uid"]
        box = self.sandboxes.get(uid)
        if box is None:
            box = self.sandboxes[uid] = Sandbox(pod, self, restarts)
            self._soon(box.start())
        return box.started

    def _soon(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        task.add_done_callback(
            lambda done: None if done.cancelled() or not done.exception() else self._failed(done.exception())
        )  # type: ignore[arg-type]

    def lost_sight(self, uid: str) -> None:
        """Deleted by force: nobody waits for its containers."""
        super().lost_sight(uid)
        box = self.sandboxes.get(uid)
        if box is not None and not box.ending:
            box.ending = True
            self._soon(box.end(1.0))

    async def restart_containers(self) -> None:
        """The machine was started anew: what really ran is started by the look at its pod."""
        real = {
            uid: pod
            for uid, pod in self.pods.items()
            if any(program_of(canonical(one["image"])) for one in pod["spec"]["containers"])
        }
        for uid in real:
            del self.pods[uid]
        await super().restart_containers()
        self.pods.update(real)

    def find(self, namespace: str, name: str) -> Object | None:
        """A pod of it, by its name."""
        return next(
            (
                one
                for one in self.pods.values()
                if (one["metadata"]["namespace"], one["metadata"]["name"]) == (namespace, name)
            ),
            None,
        )


def _said(pod: Object) -> list[Object]:
    keys = ("running", "waiting", "terminated")
    return [
        {
            **row,
            "state": {key: (row.get("state") or {}).get(key) for key in keys},
            "lastState": row.get("lastState") or {},
        }
        for row in (pod.get("status") or {}).get("containerStatuses") or ()
    ]


class LogDoor:
    """``/containerLogs/NAMESPACE/POD/CONTAINER``, for whoever has the kubelet's own token: the server."""

    def __init__(self, kubelet: Callable[[], RunningKubelet | None]) -> None:
        self._kubelet = kubelet

    async def open(self) -> web.AppRunner:
        """Listen, in the container only."""
        app = web.Application()
        app.router.add_get("/containerLogs/{namespace}/{pod}/{container}", self._log)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "0.0.0.0", PORT).start()
        say("info", f"Kubelet serves logs at {PORT}")
        return runner

    async def _log(self, request: web.Request) -> web.StreamResponse:
        said = request.headers.get("Authorization", "")
        if not secrets.compare_digest(said.encode(), f"Bearer {Access.token}".encode()):
            return web.Response(status=401, text="Unauthorized")
        kubelet, told = self._kubelet(), request.match_info
        pod = kubelet.find(told["namespace"], told["pod"]) if kubelet else None
        box = kubelet.sandboxes.get(pod["metadata"]["uid"]) if kubelet and pod else None
        task = box.tasks.get(told["container"]) if box else None
        if task is None:
            return web.Response(
                status=400, text=f'container "{told["container"]}" in pod "{told["pod"]}" is waiting to start'
            )
        answer = web.StreamResponse()
        await answer.prepare(request)
        with contextlib.suppress(ConnectionError):
            await _send(
                answer,
                task,
                request.query.get("sinceTime", ""),
                stamps="timestamps" in request.query,
                follow="follow" in request.query,
            )
            await answer.write_eof()
        return answer


async def _send(answer: web.StreamResponse, task: Task, since: str, *, stamps: bool, follow: bool) -> None:
    with task.log.open() as file:
        rest = ""
        while True:
            over = not follow or bool(task.finished)
            *lines, rest = (rest + file.read()).split("\n")
            for line in lines:
                if line[: len(since) - 1] >= since[:-1]:
                    await answer.write(((line if stamps else line.partition(" ")[2]) + "\n").encode())
            if over:
                return
            await asyncio.sleep(0.05)


def end_all(kubelet: RunningKubelet) -> None:
    """The machine goes down."""
    for box in kubelet.sandboxes.values():
        for task in box.tasks.values():
            task.signal(signal.SIGKILL)
