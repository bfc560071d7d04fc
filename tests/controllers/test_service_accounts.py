"""A controller with a ServiceAccount of its own is held to its own roles, and told what they lack."""

from __future__ import annotations

from controller_commands import REFERENCE

ROLES = """\
apiVersion: v1
kind: Namespace
metadata: {name: fleet}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: manager, namespace: fleet}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: fleet-manager}
rules:
- {apiGroups: [apps], resources: [daemonsets, daemonsets/status, controllerrevisions], verbs: ["*"]}
- {apiGroups: [""], resources: [nodes], verbs: [list, watch]}
- {apiGroups: [""], resources: [pods], verbs: [list, watch, delete, patchCREATE]}
- {apiGroups: ["", events.k8s.io], resources: [events], verbs: ["*"]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: fleet-manager}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: fleet-manager}
subjects:
- {kind: ServiceAccount, name: manager, namespace: fleet}
"""
TEST = """
def test_it(daemonsets, cluster, controller):
    agent = daemonsets.apply("agent.yaml").wait()
    agent.eventually(one_pod_per_nodeWITHIN).wait()
    found = cluster.request("GET", "/apis/rbac.authorization.k8s.io/v1/clusterroles/fleet-manager").wait()
    assert found["metadata"]["name"] == "fleet-manager"
"""
IN_VAIN = TEST.replace("WITHIN", ", within=5")
TEST = TEST.replace("WITHIN", "")
OPTIONS = {
    "controller": REFERENCE,
    "controller_ready": "log: ready",
    "controller_service_account": "fleet/manager",
    "controller_manifests": "roles.yaml",
}


def test_its_own_role_is_enough_where_it_grants_what_is_needed(run, pytester):
    pytester.makefile(".yaml", roles=ROLES.replace("patchCREATE", "patch, create"))
    run(TEST, **OPTIONS).assert_outcomes(passed=1)


def test_what_its_role_lacks_is_in_the_report_of_the_failing_test(run, pytester):
    pytester.makefile(".yaml", roles=ROLES.replace("patchCREATE", "patch"))
    result = run(IN_VAIN, **OPTIONS)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "*refused by the cluster (403)*",
            "its role does not let system:serviceaccount:fleet:manager",
            "  create pods in namespace*",
        ]
    )


def test_a_read_that_its_role_lacks_is_told_too(run, pytester):
    pytester.makefile(
        ".yaml", roles=ROLES.replace("resources: [nodes], verbs: [list, watch]", "resources: [nodes], verbs: [get]")
    )
    result = run(IN_VAIN, **{**OPTIONS, "controller_ready": "log: api/v1/nodes: "})
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["  list nodes in all the cluster*"])


def test_an_account_that_nobody_made_is_one_clear_error(run):
    result = run(TEST, controller=REFERENCE, controller_service_account="fleet/manager")
    assert result.ret == 4
    result.stdout.fnmatch_lines(["*the cluster has no ServiceAccount manager in namespace fleet; give a manifest*"])
