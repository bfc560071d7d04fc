"""What somebody may decide about a k3s cluster before it starts."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pytest_daemonset.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULT_VERSION: Final = "v1.36.4+k3s1"
"""Pinned: k3s does not maintain a tag ``latest``."""

REPOSITORY: Final = "docker.io/rancher/k3s"
ADD_ONS: Final = ("traefik", "servicelb", "metrics-server", "local-storage", "coredns")
_NAME = re.compile(r"[\w.:/@-]+")


@dataclass(frozen=True)
class K3sConfig:
    """The k3s cluster of a session; part of `ClusterConfig`.

    Args:
        image: the image, with or without a tag; k3s's own when empty.
        version: of k3s, such as ``v1.36.4+k3s1``; the default's when empty. Not together with an image that has a tag.
        privileged: whether containers with a kubelet are; real ones must be.
        server_node: whether the server is a node too. It cannot leave.
        virtual: no agents: the workers are virtual nodes, on k3s's control plane. Needs no privileges.
        network_plugin: False: no CNI is installed and nodes join without being Ready, for sets that bring one.
        disable: add-ons that are left out.
        fast_not_ready: a node that is gone is noticed after 8 s instead of 40.
        server: more settings of the server, by the names of k3s's flags; a list is added to ours, else they win.
        agent: more settings of all agents, likewise.
        env: environment variables of all containers, such as HTTPS_PROXY.
        images: side-loaded into every node before it starts: names on the Docker daemon, or paths of tars.
        tiny_images: names under which the tiny image, which only waits, is side-loaded too; no registry has to have them.
        registries: a registries.yaml for every node.
        keep: whether the cluster outlives the session.
        timeout: seconds until the server must be ready, and each agent have joined.

    Raises:
        UsageError: something that makes no sense.
    """

    image: str = ""
    version: str = ""
    privileged: bool = True
    server_node: bool = False
    virtual: bool = False
    network_plugin: bool = True
    disable: tuple[str, ...] = ADD_ONS
    fast_not_ready: bool = False
    server: Mapping[str, Any] = field(default_factory=dict)
    agent: Mapping[str, Any] = field(default_factory=dict)
    env: Mapping[str, str] = field(default_factory=dict)
    images: tuple[str, ...] = ()
    tiny_images: tuple[str, ...] = ()
    registries: Path | None = None
    keep: bool = False
    timeout: float = 180.0

    def __post_init__(self) -> None:
        for what, text in (("image", self.image), *(("tiny image", name) for name in self.tiny_images)):
            if text and not _NAME.fullmatch(text):
                raise UsageError(f"k3s: {text!r} cannot be the name of an {what}")
        if self.version and self._tagged:
            raise UsageError(
                f"k3s: the image {self.image} has a tag already, so give no version {self.version}, or no tag"
            )
        if self.version and not re.fullmatch(r"v\d+\.\d+\.\d+(-\w+)?[+-]k3s\d+", self.version):
            raise UsageError(f"k3s: {self.version!r} is no version of k3s; they look like {DEFAULT_VERSION}")
        for name in self.images:
            if is_tar(name) and not Path(name).is_file():
                raise UsageError(f"k3s: there is no image tar {name}")
        if self.registries is not None and not self.registries.is_file():
            raise UsageError(f"k3s: there is no file {self.registries}")
        if self.timeout <= 0:
            raise UsageError(f"k3s: timeout={self.timeout}: must be more than 0 seconds")

    @property
    def _tagged(self) -> bool:
        return ":" in self.image.rpartition("/")[2] or "@" in self.image

    @property
    def full_image(self) -> str:
        """The image with its tag; in tags "-" stands for "+"."""
        if self._tagged:
            return self.image
        return f"{self.image or REPOSITORY}:{(self.version or DEFAULT_VERSION).replace('+', '-')}"

    @classmethod
    def from_options(cls, options: Mapping[str, str]) -> K3sConfig:
        """From the options ``--daemonset-k3s-…`` and ``--daemonset-keep``, as text.

        Args:
            options: each by its ini name without the prefix: ``k3s_image``, …, ``keep``.

        Raises:
            UsageError: one cannot be read.
        """
        env = dict(row.partition("=")[::2] for row in _words(options["k3s_env"]))
        return cls(
            image=options["k3s_image"],
            version=options["k3s_version"],
            privileged=_switch("k3s-privileged", options["k3s_privileged"]),
            virtual=_switch("k3s-virtual", options["k3s_virtual"]),
            fast_not_ready=_switch("k3s-fast-not-ready", options["k3s_fast_not_ready"]),
            images=_words(options["k3s_images"]),
            tiny_images=_words(options["k3s_tiny_images"]),
            env=env,
            keep=_switch("keep", options["keep"]),
        )


def is_tar(image: str) -> bool:
    """Whether an image is named by the path of a tar, and not by its name on the Docker daemon."""
    return image.endswith((".tar", ".tar.gz", ".tgz"))


def _words(text: str) -> tuple[str, ...]:
    return tuple(word for word in re.split(r"[,\s]+", text) if word)


def _switch(name: str, text: str) -> bool:
    if text.lower() not in ("yes", "no", "true", "false", "1", "0"):
        raise UsageError(f"--daemonset-{name}={text}: expected yes or no")
    return text.lower() in ("yes", "true", "1")
