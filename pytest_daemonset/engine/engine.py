"""One Docker daemon, as coroutines: every container and network is told to the keeper before it is made.

testcontainers finds the daemon (contexts, variables, property files); what is made is ours alone: neither its session
labels nor its reaper know of it, so no TESTCONTAINERS_* variable matters.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
import re
import socket
import tarfile
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import wait as wait_for_threads
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar

from pytest_daemonset.engine.labels import KEEP, own_labels
from pytest_daemonset.errors import ClusterError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from pytest_daemonset.keeper import Keeper

_WHOLE_HELP: Final = 1000  # lines: a kubelet's help, and what it said before
_HELP: Final = re.compile(r"\s+(-\w, )?--[\w-]+|\s{10,}|[A-Z][\w -]* flags:$|Usage:$|\s*$")

T = TypeVar("T")

REMEDY: Final = (
    "install and start Docker (on Debian: `apt install docker.io`), see that this user may use its socket, and try "
    "`python -m pytest_daemonset doctor --cluster k3s`; without Docker, --daemonset-cluster=embedded runs here"
)
_PATIENCE: Final = 60  # seconds for one answer of the daemon
_AT_ONCE: Final = 16


@dataclass(frozen=True)
class Container:
    """A container to be made.

    Attributes:
        name: unique on the daemon.
        image: its image.
        command: the words after the entry point.
        hostname: its host name, and its alias on the network.
        network: the only network that it is on.
        files: what is put into it before it starts: absolute path -> content.
        env: environment variables.
        ports: ports that are published on `publish`, each with the port that it gets there; None for a free one.
        publish: the address on the daemon's machine.
        privileged: whether it may do what root may.
        tmpfs: folders in memory, each with options after a colon, such as ``/data:size=64m``.
    """

    name: str
    image: str
    command: Sequence[str]
    hostname: str
    network: str
    files: Mapping[str, bytes] = field(default_factory=dict)
    env: Mapping[str, str] = field(default_factory=dict)
    ports: Mapping[int, int | None] = field(default_factory=dict)
    publish: str = "127.0.0.1"
    privileged: bool = False
    tmpfs: Sequence[str] = ()


class Engine:
    """The daemon. Made by `connect`; coroutines run on any loop.

    Args:
        client: docker's client.
        address: where the keeper finds the daemon: ``unix://PATH`` or ``tcp://HOST:PORT``.
        keeper: is told of everything.
        group: a name that all that is made carries.
        keep: whether it outlives the session.
    """

    def __init__(self, client: Any, address: str, keeper: Keeper, group: str, *, keep: bool = False) -> None:
        self.address = address
        self.group = group
        self.keep = keep
        self._client = client
        self._keeper = keeper
        self._labels = {**own_labels(keeper.pid), "pytest-daemonset": group, **({KEEP: "true"} if keep else {})}
        self._threads = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="docker")
        self._made: dict[str, str] = {}
        self._doing: set[Future[Any]] = set()

    @classmethod
    async def connect(cls, keeper: Keeper, group: str, *, keep: bool = False) -> Engine:
        """Find the daemon and ask it for its version.

        Raises:
            UsageError: there is none, it may not be used, the extra is not installed, or nobody could clean up there.
        """
        client, address = await asyncio.to_thread(find_daemon)
        return cls(client, address, keeper, group, keep=keep)

    @property
    def host(self) -> str:
        """The machine on which published ports are."""
        return (
            self.address.removeprefix("tcp://").rpartition(":")[0] if self.address.startswith("tcp://") else "127.0.0.1"
        )

    @property
    def made(self) -> Mapping[str, str]:
        """What there is of ours: name -> ``container`` or ``network``."""
        return dict(self._made)

    # -- images --

    async def ensure_image(self, image: str) -> None:
        """Pull an image unless it is there.

        Raises:
            ClusterError: it is not there and cannot be pulled.
        """
        from docker.errors import DockerException, ImageNotFound

        def ensure() -> None:
            try:
                self._client.images.get(image)
                return
            except ImageNotFound:
                pass
            try:
                self._client.images.pull(image)
            except DockerException as error:
                raise ClusterError(
                    f"image {image} is not on the Docker daemon and cannot be pulled: {_said(error)}\n"
                    f"  try: docker pull {image}; or name one that is there with --daemonset-k3s-image"
                ) from error

        await self._do(f"looking for image {image}", ensure)

    async def save_image(self, image: str) -> bytes:
        """A local image as a tar, as ``docker save`` makes it: under the name that is asked for, whatever others it has.

        Raises:
            UsageError: the daemon has no such image.
        """
        from docker.errors import ImageNotFound

        def save() -> bytes:
            try:
                self._client.images.get(image)
                # Image.save would choose one of the image's names by itself.
                return b"".join(self._client.api.get_image(image))
            except ImageNotFound:
                raise UsageError(
                    f"image {image} is not on the Docker daemon: build or pull it before the tests, or give a tar"
                ) from None

        return await self._do(f"saving image {image}", save)

    # -- networks --

    async def make_network(self, name: str) -> None:
        """A bridge with name resolution.

        Raises:
            ClusterError: the daemon refused, such as for want of address pools.
        """

        def make() -> None:
            self._client.api.create_network(name, driver="bridge", labels=self._labels, check_duplicate=True)
            self._note("network", name)

        await self._making("network", name, f"making network {name}", make)

    async def connect_network(self, network: str, name: str, alias: str) -> None:
        """Put a container on the network."""
        work = partial(self._client.api.connect_container_to_network, name, network, aliases=[alias])
        await self._do(f"connecting {name} to {network}", work)

    async def disconnect_network(self, network: str, name: str) -> None:
        """Take a container off the network; its processes go on."""
        work = partial(self._client.api.disconnect_container_from_network, name, network, force=True)
        await self._do(f"disconnecting {name} from {network}", work)

    # -- containers --

    async def make(self, wanted: Container) -> None:
        """Create a container and put its files into it; it does not run yet.

        Raises:
            ClusterError: the daemon refused; the container may be there, and is the keeper's.
        """
        api = self._client.api

        def make() -> None:
            settings = api.create_host_config(
                privileged=wanted.privileged,
                port_bindings={port: (wanted.publish, there) for port, there in wanted.ports.items()},
                tmpfs=list(wanted.tmpfs),
                restart_policy={"Name": "no"},
                network_mode=wanted.network,
                userns_mode="host" if wanted.privileged else None,
            )
            endpoint = api.create_endpoint_config(aliases=[wanted.hostname])
            api.create_container(
                wanted.image,
                command=list(wanted.command),
                name=wanted.name,
                hostname=wanted.hostname,
                environment=dict(wanted.env),
                labels=self._labels,
                ports=list(wanted.ports) or None,
                host_config=settings,
                networking_config=api.create_networking_config({wanted.network: endpoint}),
            )
            self._note("container", wanted.name)
            if wanted.files:
                api.put_archive(wanted.name, "/", _tar(wanted.files))

        await self._making("container", wanted.name, f"making container {wanted.name} from {wanted.image}", make)

    async def start(self, name: str) -> None:
        """Start a container.

        Raises:
            ClusterError: the daemon refused: a port is taken, privileges are not to be had.
        """
        await self._do(f"starting container {name}", lambda: self._client.api.start(name))

    async def stop(self, name: str, grace: int = 5) -> None:
        """SIGTERM, SIGKILL after `grace` seconds; one that does not run is fine."""
        await self._do(f"stopping container {name}", lambda: self._client.api.stop(name, timeout=grace))

    async def kill(self, name: str) -> None:
        """SIGKILL, whatever its state."""
        from docker.errors import APIError

        def kill() -> None:
            try:
                self._client.api.kill(name)
            except APIError as error:
                if error.status_code != 409:  # it does not run
                    raise

        await self._do(f"killing container {name}", kill)

    async def pause(self, name: str) -> None:
        """Freeze every process in it."""
        await self._do(f"pausing container {name}", lambda: self._client.api.pause(name))

    async def unpause(self, name: str) -> None:
        """End `pause`."""
        await self._do(f"resuming container {name}", lambda: self._client.api.unpause(name))

    async def remove(self, name: str) -> None:
        """Remove a container with its volumes, or a network; that it is gone already is fine."""
        from docker.errors import NotFound

        kind = self._made.get(name, "container")

        def remove() -> None:
            with contextlib.suppress(NotFound):
                if kind == "network":
                    self._client.api.remove_network(name)
                else:
                    self._client.api.remove_container(name, force=True, v=True)

        await self._do(f"removing {kind} {name}", remove)
        self._made.pop(name, None)
        self._keeper.released(kind, name)

    async def inspect(self, name: str) -> dict[str, Any]:
        """What the daemon knows of a container."""
        found: dict[str, Any] = await self._do(
            f"looking at container {name}", lambda: self._client.api.inspect_container(name)
        )
        return found

    async def write(self, name: str, files: Mapping[str, bytes]) -> None:
        """Put files into a container, running or not."""
        await self._do(
            f"writing {', '.join(files)} into {name}", lambda: self._client.api.put_archive(name, "/", _tar(files))
        )

    async def read(self, name: str, path: str) -> bytes | None:
        """The content of a file in a container; None if there is none."""
        from docker.errors import NotFound

        def read() -> bytes | None:
            try:
                stream, _ = self._client.api.get_archive(name, path)
            except NotFound:
                return None
            with tarfile.open(fileobj=io.BytesIO(b"".join(stream))) as archive:
                member = archive.next()
                file = archive.extractfile(member) if member is not None else None
                return file.read() if file is not None else None

        return await self._do(f"reading {path} in {name}", read)

    async def run(self, name: str, command: Sequence[str]) -> tuple[int, str]:
        """Run a command in a running container.

        Returns:
            Its exit code, and what it said on both outputs.
        """

        def run() -> tuple[int, str]:
            api = self._client.api
            made = api.exec_create(name, list(command))["Id"]
            said: bytes = api.exec_start(made)
            return int(api.exec_inspect(made)["ExitCode"]), said.decode(errors="replace")

        return await self._do(f"running {command[0]} in {name}", run)

    async def tail(self, name: str, lines: int = 15) -> str:
        """The last lines of a container's log, indented for a message; what is in the way of them otherwise."""
        try:
            said = await self._do(f"reading the log of {name}", lambda: self._client.api.logs(name, tail=_WHOLE_HELP))
        except ClusterError as error:
            return f"    (its log cannot be had: {error})"
        text = without_help(said.decode(errors="replace").splitlines())[-lines:]
        return "\n".join(f"    {line[:400]}" for line in text) or "    (it said nothing)"

    def follow(self, name: str, since: datetime, on_line: Callable[[str | None], None]) -> Follower:
        """Hear every line of a container's log since a moment, and None when the container has ended."""
        return Follower(self._client, name, since, on_line)

    async def close(self) -> None:
        """Remove everything that is left of ours (unless it is to be kept), containers first; then disconnect."""
        # What was asked of the daemon is done even if nobody waits for it any more.
        await asyncio.to_thread(wait_for_threads, list(self._doing), timeout=_PATIENCE)
        containers = [name for name, kind in self._made.items() if kind == "container"]
        networks = [name for name, kind in self._made.items() if kind == "network"]
        try:
            if self.keep:
                for name in (*containers, *networks):
                    self._keeper.released(self._made[name], name)
                return
            # What cannot be removed now stays told to the keeper, which tries again after us.
            results = await asyncio.gather(*(self.remove(name) for name in containers), return_exceptions=True)
            for name in networks:
                await self.remove(name)
            for result in results:
                if isinstance(result, BaseException):
                    raise result
        finally:
            self._threads.shutdown(wait=False)
            await asyncio.to_thread(self._client.close)

    async def _making(self, kind: str, name: str, what: str, make: Callable[[], None]) -> None:
        from docker.errors import APIError

        self._keeper.started(kind, name, engine=self.address)
        try:
            await self._do(what, make)
        except ClusterError as error:
            if isinstance(error.__cause__, APIError) and name not in self._made:
                self._keeper.released(kind, name)  # refused: there is nothing
            raise

    def _note(self, kind: str, name: str) -> None:
        self._made[name] = kind
        self._keeper.learned(kind, name, made=True)

    async def _do(self, what: str, work: Callable[[], T]) -> T:
        from docker.errors import DockerException
        from requests.exceptions import RequestException

        doing = self._threads.submit(work)
        self._doing.add(doing)
        doing.add_done_callback(self._doing.discard)
        try:
            return await asyncio.wrap_future(doing)
        except DockerException as error:  # first: a refusal is an HTTP error of requests, too
            said = _said(error)
            full = "\n  free some of its disk: `docker system df` says what takes it, `docker system prune` what can go"
            hint = full if "no space left" in said.lower() else ""
            raise ClusterError(f"{what}: the Docker daemon refused: {said}{hint}") from error
        except RequestException as error:
            raise ClusterError(
                f"{what}: the Docker daemon at {self.address} does not answer any more: {_said(error)}\n"
                "  was it stopped, or started anew? What was left is removed once it is back, at the latest by the next run"
            ) from error


class Follower:
    """Hears a container's log in a thread of its own, and tells the loop."""

    def __init__(self, client: Any, name: str, since: datetime, on_line: Callable[[str | None], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._on_line = on_line
        self._stream: Any = None
        self._closed = False
        self._lock = threading.Lock()
        self._thread = threading.Thread(
            target=self._hear, args=(client, name, since), name=f"log of {name}", daemon=True
        )
        self._thread.start()

    def _hear(self, client: Any, name: str, since: datetime) -> None:
        from docker.errors import DockerException
        from requests.exceptions import RequestException

        rest = b""
        with contextlib.suppress(
            DockerException, RequestException, OSError, ValueError, AttributeError
        ):  # it was closed
            stream = client.api.logs(name, stream=True, follow=True, since=since.timestamp())
            with self._lock:
                if self._closed:
                    stream.close()
                    return
                self._stream = stream
            for chunk in stream:
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    self._tell(line.decode(errors="replace"))
        self._tell(None)

    def _tell(self, line: str | None) -> None:
        if not self._closed:
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody listens any more
                self._loop.call_soon_threadsafe(self._on_line, line)

    async def close(self) -> None:
        """Hear no more."""
        with self._lock:
            self._closed = True
            if self._stream is not None:
                self._stream.close()
        await asyncio.to_thread(self._thread.join, 5.0)


def without_help(lines: Sequence[str]) -> list[str]:
    """A log without its blank lines and those of a help: a program that is given a wrong flag says so, then how all are used."""
    return [line for line in lines if not _HELP.match(line)]


def find_daemon(patience: float = _PATIENCE) -> tuple[Any, str]:
    """The daemon that testcontainers finds: docker's client, and its address for the keeper.

    Args:
        patience: seconds that each of its answers may take.

    Raises:
        UsageError: there is none, it may not be used, or the extra is not installed; the text has the remedy.
    """
    try:
        from docker.errors import DockerException
        from requests.exceptions import RequestException
        from testcontainers.core.docker_client import DockerClient, get_docker_host
    except ImportError as error:
        raise UsageError(
            f"--daemonset-cluster=k3s needs testcontainers ({error}): pip install 'pytest-daemonset[k3s]'"
        ) from None
    before = os.environ.get("DOCKER_HOST")
    address = get_docker_host() or "unix:///var/run/docker.sock"
    plain = not os.environ.get("DOCKER_TLS_VERIFY")
    if not address.startswith("unix://") and not (address.startswith("tcp://") and plain):
        raise UsageError(
            f"--daemonset-cluster=k3s: the Docker daemon is at {address}, where nobody could clean up after a killed run: "
            "the keeper speaks to unix:// sockets and to tcp:// without TLS; forward the socket (ssh -L) and set DOCKER_HOST"
        )
    try:
        if address.startswith("unix://"):  # docker's own client leaves its socket open when it cannot connect
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
                probe.connect(address.removeprefix("unix://"))
        client = DockerClient(timeout=patience).client
        client.ping()
    except (DockerException, RequestException, OSError) as error:
        raise UsageError(
            f"--daemonset-cluster=k3s: no Docker daemon answers at {address}: {_said(error)}\n  {REMEDY}"
        ) from None
    finally:
        if before is None:  # testcontainers sets it for everybody
            os.environ.pop("DOCKER_HOST", None)
    return client, address


def _said(error: BaseException) -> str:
    explanation = getattr(error, "explanation", None)
    return str(explanation or error)[:500]


def _tar(files: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for path, content in files.items():
            member = tarfile.TarInfo(path.lstrip("/"))
            member.size, member.mode = len(content), 0o600
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()
