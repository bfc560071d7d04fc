"""Logs of a controller's containers: what they said, and nothing that somebody else put in between."""

from __future__ import annotations

import asyncio

from pytest_daemonset.controllers.pod_logs import PodLogs

POD = {
    "metadata": {"name": "manager-x", "namespace": "fleet", "uid": "u"},
    "status": {"containerStatuses": [{"name": "manager", "containerID": "containerd://c", "state": {"running": {}}}]},
}


class Kubelet:
    """Answers each request for a log with the next of these; stands for the client that asks."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.asked = []
        self.over = asyncio.Event()

    async def lines(self, path, query):  # noqa: ARG002
        self.asked.append(query)
        for line in self.answers.pop(0):
            yield line
        if not self.answers:
            self.over.set()
            await asyncio.Event().wait()


def test_the_kubelets_own_word_about_a_removed_container_is_no_line_of_its_log(tmp_path):
    async def follow():
        kubelet = Kubelet(
            ["2026-11-25T23:25:38.5Z up", "error: code = NotFound desc = an error occurred when try to find container"],
            ["2026-11-25T23:25:38.5Z up", "2026-11-25T23:25:39.1Z on"],
        )
        logs = PodLogs(kubelet, tmp_path / "log")
        logs.show(POD)
        await asyncio.wait_for(kubelet.over.wait(), 60)
        await logs.close()
        return kubelet.asked

    asked = asyncio.run(follow())
    assert (tmp_path / "log").read_text().splitlines() == ["manager-x/manager: up", "manager-x/manager: on"]
    assert asked[1]["sinceTime"] == "2026-11-25T23:25:38Z"
