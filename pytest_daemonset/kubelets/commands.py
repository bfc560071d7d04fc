"""The commands that come in as lines of JSON, and their answers."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, TypeAlias

from pytest_daemonset.kubelets.api import ApiError
from pytest_daemonset.kubelets.behaviour import Rule, matches, parse_change
from pytest_daemonset.kubelets.fleet import FleetError

if TYPE_CHECKING:
    from pytest_daemonset.kubelets.fleet import Fleet

Object: TypeAlias = "dict[str, Any]"

_log = logging.getLogger(__name__)


async def answer(fleet: Fleet, command: Object) -> Object:
    """Does one command.

    Returns:
        ``{"id": N, "ok": true, "wrote": VERSION, ...}``, or ``{"id": N, "error": "..."}``. `wrote` is the highest
        resourceVersion that the kubelets have written, and ``problems`` what they could not do since the last answer.
    """
    number = command.get("id")
    try:
        more = await _do(fleet, command)
    except KeyError as error:
        return {"id": number, "error": f"{command.get('do')}: {error} is missing"}
    except (FleetError, ValueError, ApiError) as error:
        return {"id": number, "error": f"{command.get('do')}: {error}", "wrote": fleet.api.wrote}
    except Exception as error:  # noqa: BLE001 (somebody waits for an answer, whatever happened)
        _log.exception("%s", command.get("do"))
        return {"id": number, "error": f"{command.get('do')}: {error!r}", "wrote": fleet.api.wrote}
    problems, fleet.problems = fleet.problems, []
    return {"id": number, "ok": True, "wrote": fleet.api.wrote, "problems": problems, **more}


async def _do(fleet: Fleet, command: Object) -> Object:
    what = command["do"]
    if what == "join":
        return {"nodes": await fleet.join(command["nodes"])}
    if what in ("leave", "crash", "restart", "pause", "resume", "partition", "heal"):
        await getattr(fleet, what)(command["nodes"])
    elif what == "ready":
        await fleet.set_ready(command["nodes"], ready=command["ready"])
    elif what == "heartbeats":
        await fleet.heartbeats(command["nodes"], on=command["on"])
    elif what == "behave":
        selector = command.get("selector") or {}
        matches(selector, {})  # an unknown operator is told now, not when the first pod comes
        rule = Rule(command.get("node"), command.get("namespace"), selector, parse_change(command["switches"]))
        fleet.rules.append(rule)
        await fleet.settle()
    elif what == "behave-as-before":
        fleet.rules.clear()
        await fleet.settle()
    elif what == "pod":
        await fleet.pod_verb(command["namespace"], command["name"], command["verb"], command)
    elif what == "forget":
        return {"removed": await fleet.forget()}
    elif what == "nodes":
        return {"nodes": {name: machine.state for name, machine in fleet.machines.items()}}
    else:
        raise FleetError("there is no such command")
    return {}
