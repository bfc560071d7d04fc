"""What our controller does for one DaemonSet: from what is there now to what should be there, in one pass."""

import copy
import logging

from kubernetes_asyncio import client

ALWAYS = [
    client.V1Toleration(key=f"node.kubernetes.io/{key}", operator="Exists", effect=effect)
    for key, effect in (
        ("not-ready", "NoExecute"),
        ("unreachable", "NoExecute"),
        ("disk-pressure", "NoSchedule"),
        ("memory-pressure", "NoSchedule"),
        ("pid-pressure", "NoSchedule"),
        ("unschedulable", "NoSchedule"),
    )
]


async def reconcile_all(api):
    """One pass over all DaemonSets, one after the other: what a pass reads is no older than what the pass before wrote.

    Returns whether all went well; what did not is for the next pass.
    """
    well = True
    for daemonset in (await client.AppsV1Api(api).list_daemon_set_for_all_namespaces()).items:
        try:
            if daemonset.metadata.deletion_timestamp is None:
                await reconcile(api, daemonset)
        except client.ApiException as error:
            well = False
            logging.warning("%s/%s: %s", daemonset.metadata.namespace, daemonset.metadata.name, error)
    return well


async def reconcile(api, daemonset):
    core, namespace = client.CoreV1Api(api), daemonset.metadata.namespace
    nodes = {node.metadata.name: node for node in (await core.list_node()).items}
    mine = [pod for pod in (await core.list_namespaced_pod(namespace)).items if owner(pod) == daemonset.metadata.uid]
    there = {}
    for pod in mine:
        there.setdefault(pod.spec.node_name, []).append(pod)
    for name, node in nodes.items():
        keep = admits(daemonset, node, ("NoExecute",))
        for pod in there.get(name, []):
            if pod.metadata.deletion_timestamp is None and (not keep or pod.status.phase in ("Failed", "Succeeded")):
                await gone_is_fine(core.delete_namespaced_pod(pod.metadata.name, namespace))
        if name not in there and admits(daemonset, node, ("NoExecute", "NoSchedule")):
            await core.create_namespaced_pod(namespace, pod_for(daemonset, name))
    await tell(api, daemonset, nodes, there)


def pod_for(daemonset, node):
    template, metadata = daemonset.spec.template, daemonset.metadata
    spec = copy.deepcopy(template.spec)
    spec.node_name = node
    spec.tolerations = [*(spec.tolerations or []), *ALWAYS]
    reference = client.V1OwnerReference(
        api_version="apps/v1",
        kind="DaemonSet",
        name=metadata.name,
        uid=metadata.uid,
        controller=True,
        block_owner_deletion=True,
    )
    about = client.V1ObjectMeta(
        generate_name=f"{metadata.name}-",
        labels=template.metadata.labels,
        annotations=template.metadata.annotations,
        owner_references=[reference],
    )
    return client.V1Pod(metadata=about, spec=spec)


async def tell(api, daemonset, nodes, there):
    """Write the status, if it says anything new."""
    wanted = {name for name, node in nodes.items() if admits(daemonset, node, ("NoExecute", "NoSchedule"))}
    ready = {name for name in wanted if any(is_ready(pod) for pod in there.get(name, []))}
    status = {
        "observedGeneration": daemonset.metadata.generation,
        "desiredNumberScheduled": len(wanted),
        "currentNumberScheduled": len(wanted & set(there)),
        "numberMisscheduled": len((set(nodes) & set(there)) - wanted),
        "numberReady": len(ready),
        "numberAvailable": len(ready),
        "numberUnavailable": len(wanted) - len(ready),
    }
    known = api.sanitize_for_serialization(daemonset.status) or {}
    if any(known.get(key, 0) != value for key, value in status.items()):
        write = client.AppsV1Api(api).patch_namespaced_daemon_set_status
        body = {"metadata": {"uid": daemonset.metadata.uid}, "status": status}
        await gone_is_fine(write(daemonset.metadata.name, daemonset.metadata.namespace, body))


def admits(daemonset, node, effects):
    """Whether the labels fit, and no taint of these effects keeps the pods away."""
    spec, labels = daemonset.spec.template.spec, node.metadata.labels or {}
    tolerations = [*(spec.tolerations or []), *ALWAYS]
    taints = [taint for taint in node.spec.taints or [] if taint.effect in effects]
    return all(labels.get(key) == value for key, value in (spec.node_selector or {}).items()) and all(
        any(tolerates(toleration, taint) for toleration in tolerations) for taint in taints
    )


def tolerates(toleration, taint):
    if toleration.effect not in (None, "", taint.effect) or toleration.key not in (None, "", taint.key):
        return False
    return toleration.operator == "Exists" or (toleration.value or "") == (taint.value or "")


def owner(pod):
    return next((one.uid for one in pod.metadata.owner_references or [] if one.controller), None)


def is_ready(pod):
    return any(one.type == "Ready" and one.status == "True" for one in pod.status.conditions or [])


async def gone_is_fine(request):
    try:
        await request
    except client.ApiException as error:
        if error.status not in (404, 409):
            raise
