"""An operator that answers each ConfigMap labelled `ask` with an annotation, and greets each DaemonSet."""

from __future__ import annotations

import kopf


@kopf.on.create("configmaps", labels={"ask": kopf.PRESENT})
def answer(patch, **_):
    patch.metadata.annotations["answered-by"] = "kopf"


@kopf.on.delete("configmaps", labels={"ask": kopf.PRESENT})
def farewell(name, logger, **_):
    logger.info("farewell to %s", name)


@kopf.on.event("apps", "v1", "daemonsets")
def greet(name, logger, **_):
    logger.info("seen %s", name)
