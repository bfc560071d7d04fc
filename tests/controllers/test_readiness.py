"""When a controller counts as started."""

from __future__ import annotations

import socket
import sys

import pytest
from controller_commands import ELECTED, REFERENCE

from pytest_daemonset import ControllerConfig, UsageError

SERVER = """\
import http.server, sys

port = int(sys.argv[1])
http.server.HTTPServer(("127.0.0.1", port), http.server.SimpleHTTPRequestHandler).serve_forever()
"""


def test_a_lease_that_is_held_and_renewed_counts(run):
    text = """
    def test_it(controller, cluster):
        path = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/pytest-daemonset-reference"
        before = cluster.request("GET", path).wait()["spec"]
        assert before["holderIdentity"]
        controller.restart().wait()  # the old lease alone does not make the new one ready
        after = cluster.request("GET", path).wait()["spec"]
        assert after["holderIdentity"] not in ("", before["holderIdentity"])
    """
    ready = "lease: kube-system/pytest-daemonset-reference"
    run(text, controller=ELECTED, controller_ready=ready).assert_outcomes(passed=1)


def test_the_first_accepted_write_counts(run, pytester):
    pytester.makepyfile(
        writer="""
        import asyncio, sys
        from pathlib import Path
        from pytest_daemonset.reference.client import Client
        from pytest_daemonset.reference.kubeconfig import Access

        async def main():
            async with Client(Access.load(Path(sys.argv[1]))) as client:
                await client.create("/api/v1/namespaces/default/configmaps", {"metadata": {"name": "mine"}})
                await asyncio.sleep(60)

        asyncio.run(main())
        """
    )
    text = """
    def test_it(controller, cluster):
        cluster.request("GET", "/api/v1/namespaces/default/configmaps/mine").wait()
    """
    command = f"command: {sys.executable} writer.py {{kubeconfig}}"
    run(text, controller=command, controller_ready="write").assert_outcomes(passed=1)


def test_who_never_writes_is_not_ready(run):
    text = """
    @pytest.fixture(scope="session")
    def daemonset_controller_config():
        import sys
        return ControllerConfig(f"command: {sys.executable} -c 'import time; time.sleep(60)'", ready="write", timeout=1)

    def test_it(controller):
        pass
    """
    result = run(text)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*was not ready within 1 s*", "*waited for: write*"])


def free(port: int) -> bool:
    # none that the system hands out by itself: those come and go
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


@pytest.mark.parametrize(
    ("program", "told", "advised"),
    [
        ("exit 3", "died before it was ready", ()),
        (
            "echo hello; sleep 60",
            "was not ready within",
            ("has not had one write from it", "raise --daemonset-controller-timeout"),
        ),
    ],
    ids=["dies", "is busy with something else"],
)
def test_more_time_is_advised_to_who_is_there_and_the_kubeconfig_to_who_never_asked(run, program, told, advised):
    text = "def test_it(controller): pass"
    result = run(text, controller=f"command: sh -c '{program}'", controller_ready="log: READY", controller_timeout="2")
    result.assert_outcomes(errors=1)
    said = result.stdout.str()
    assert told in said
    assert "waited for: log: READY" in said
    assert all(words in said for words in advised)
    assert ("raise --daemonset-controller-timeout" in said) is bool(advised)


def test_each_replica_has_a_port_of_its_own(run, pytester):
    pytester.makepyfile(server=SERVER)
    digits = next(digits for digits in range(1500, 3276) if all(free(digits * 10 + number) for number in range(1, 3)))
    result = run(
        "def test_it(controller):\n    assert controller.running\n",
        controller=f"command: {sys.executable} server.py {digits}{{replica}}",
        controller_replicas="2",
        controller_ready=f"http: http://127.0.0.1:{digits}{{replica}}/",
    )
    result.assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("spec", "more", "words"),
    [
        (REFERENCE, {"ready": "lease: mine"}, "expected 'lease: NAMESPACE/NAME'"),
        (REFERENCE, {"ready": "write: pods"}, "expected 'log: REGEX'"),
        (REFERENCE, {"ready": "http: http://127.0.0.1:80/", "replicas": 2}, "cannot listen on one port"),
        (REFERENCE, {"ready": "http: http://127.0.0.1:{port}/"}, "no placeholder {port}"),
        (REFERENCE, {"replicas": 0}, "a whole number above 0"),
        ("none", {"replicas": 2}, "nothing is started"),
        ("builtin", {"service_account": "a/b"}, "has its own"),
        (REFERENCE, {"service_account": "mine"}, "expected namespace/name"),
        ("command: ./manager --kubeconfig {kubeconfg}", {}, "no placeholder {kubeconfg}; there is {kubeconfig}"),
    ],
)
def test_what_cannot_be_is_told_before_anything_starts(spec, more, words):
    with pytest.raises(UsageError, match=words.replace("{", r"\{").replace("}", r"\}")):
        ControllerConfig(spec, **more)


@pytest.mark.parametrize(
    "word",
    [
        '{"json": {"a": 1}}',
        "{{.Name}}",
        "{{name}}",
        "${HOME}",
        "{}",
        "{1,2}",
        "{a,b}",
        "a{",
        "{kubeconfig}",
        "{replica}",
    ],
)
def test_braces_that_are_no_placeholders_pass(word):
    config = ControllerConfig(f"command: ./manager '{word}'")
    assert config.words() == ["./manager", word]
