"""Short descriptions of kinds and of their main fields, for `kubectl explain`: in words of our own."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

# MESSAGE or MESSAGE.FIELD or *.FIELD (of every message that says nothing of its own), a colon, and what it is.
_WORDS = """\
*.apiVersion: Group and version of the API that this object is written in.
*.kind: What kind of object this is.
*.metadata: Name, labels and whatever else every object has.
*.spec: What is wanted.
*.status: What has been observed; written by whoever acts on the object.
*.conditions: What is true of it now, by type.
*.observedGeneration: The generation of the object that this was written for.
*.items: The objects.
*.lastTransitionTime: When the condition last changed its status.
*.lastHeartbeatTime: When the condition was last heard of.
*.message: The same for people.
*.reason: Why, in one word.
*.type: Which one of its sort.
*.matchLabels: Labels that are all wanted, with these values.
*.matchExpressions: Requirements that must all be met.
*.operator: How key and values are compared.
*.values: What the value is compared with.
*.key: The key that is meant.
ObjectMeta: What every object has beside its content.
ObjectMeta.name: The name, unique within the kind and the namespace; it never changes.
ObjectMeta.generateName: What the server makes a name of if none is given.
ObjectMeta.namespace: The namespace that it lives in; it never changes.
ObjectMeta.uid: Tells this object from others of the same name, before and after it.
ObjectMeta.resourceVersion: The version of what is stored; a write that brings an older one is a conflict.
ObjectMeta.generation: Counts the changes of what is wanted.
ObjectMeta.creationTimestamp: When it was created, by the server's clock.
ObjectMeta.deletionTimestamp: When it will have been deleted; set by the server once that was asked for.
ObjectMeta.deletionGracePeriodSeconds: How many seconds its end may take.
ObjectMeta.labels: Short texts by which objects are selected.
ObjectMeta.annotations: Texts of any sort; nothing is selected by them.
ObjectMeta.ownerReferences: The objects that this one depends on; it is collected once all of them are gone.
ObjectMeta.finalizers: Who has still to do something before the object may go.
ObjectMeta.managedFields: Which field was last set by whom, and how.
OwnerReference: An object that another one depends on.
OwnerReference.controller: Whether this owner is the one that manages it.
OwnerReference.blockOwnerDeletion: Whether the owner, deleted in the foreground, waits for this one.
ListMeta: What every list has beside its items.
ListMeta.resourceVersion: The version of the store that the list shows; a watch may go on from there.
ListMeta.continue: What to ask with for the next part of the list.
ListMeta.remainingItemCount: How many are not in this part.
LabelSelector: Selects objects by their labels; an empty one selects all.
DaemonSet: One pod on each node that is eligible.
DaemonSetSpec: Which pods a DaemonSet makes, and how it replaces them.
DaemonSetSpec.selector: Which pods belong to the set; it must match the template's labels, and never changes.
DaemonSetSpec.template: What each pod is made of; its nodeSelector, affinity and tolerations say on which nodes.
DaemonSetSpec.updateStrategy: How pods of an older template are replaced.
DaemonSetSpec.minReadySeconds: For how many seconds a new pod must be ready to count as available.
DaemonSetSpec.revisionHistoryLimit: How many old revisions are kept to go back to; 10 if nothing is said.
DaemonSetUpdateStrategy: How pods of an older template are replaced.
DaemonSetUpdateStrategy.type: RollingUpdate replaces them node by node; OnDelete waits until somebody deletes them.
DaemonSetUpdateStrategy.rollingUpdate: How many nodes at a time.
RollingUpdateDaemonSet: How many nodes are updated at a time.
RollingUpdateDaemonSet.maxUnavailable: How many pods may be missing meanwhile: a number, or a part of the nodes. 1 if nothing is said.
RollingUpdateDaemonSet.maxSurge: On how many nodes the new pod may run beside the old one until it is available. 0 if nothing is said.
DaemonSetStatus: How far a DaemonSet has come.
DaemonSetStatus.currentNumberScheduled: Nodes that should run a pod and do.
DaemonSetStatus.desiredNumberScheduled: Nodes that should run a pod.
DaemonSetStatus.numberMisscheduled: Nodes that run a pod and should not.
DaemonSetStatus.numberReady: Nodes that should run a pod and have one that is ready.
DaemonSetStatus.numberAvailable: Nodes that should run a pod and have one that has been ready for minReadySeconds.
DaemonSetStatus.numberUnavailable: Nodes that should run a pod and have none that is available.
DaemonSetStatus.updatedNumberScheduled: Nodes that run a pod of the newest template.
DaemonSetStatus.collisionCount: How often the name of a revision was taken already.
ControllerRevision: A template as it once was, to go back to.
ControllerRevision.data: The template.
ControllerRevision.revision: Its number; the newest has the highest.
Pod: Containers that run together on one node.
PodTemplateSpec: What pods are made of.
PodSpec: What a pod runs, and where it may run.
PodSpec.containers: What the pod runs, at least one.
PodSpec.initContainers: What runs to its end, one after the other, before the containers start.
PodSpec.volumes: What containers may mount.
PodSpec.nodeName: The node that the pod is bound to.
PodSpec.nodeSelector: Labels that the pod's node must have.
PodSpec.affinity: Which nodes the pod must or should run on, and near to which other pods.
PodSpec.tolerations: Which taints of nodes the pod bears.
PodSpec.hostNetwork: Whether the pod uses the network of its node.
PodSpec.restartPolicy: When containers that have ended are started again.
PodSpec.serviceAccountName: The ServiceAccount that the pod is run as.
PodSpec.schedulerName: Who is to find a node for it.
PodSpec.priorityClassName: How important the pod is, by name.
PodSpec.terminationGracePeriodSeconds: How many seconds the containers get to end by themselves; 30 if nothing is said.
PodSpec.schedulingGates: The pod is given no node while there are any.
PodStatus: How far a pod has come.
PodStatus.phase: Where in its life the pod is.
PodStatus.containerStatuses: How each container is.
PodStatus.hostIP: The address of its node.
PodStatus.podIP: The address of the pod.
PodStatus.startTime: When the node took it up.
Container: One process of a pod, in an image of its own.
Container.name: Its name, unique in the pod.
Container.image: What it runs.
Container.command: What is started instead of the image's entry point.
Container.args: What that is given.
Container.env: Its environment.
Container.ports: The ports that it listens on.
ContainerPort.hostPort: A port of the node that leads there; two pods that want the same cannot share a node.
ContainerPort.containerPort: The port that it listens on.
Container.resources: What it needs, and what it may use at most.
Container.livenessProbe: How is found out that it must be restarted.
Container.readinessProbe: How is found out that it is ready.
Container.volumeMounts: Which volumes it sees, and where.
Container.imagePullPolicy: When the image is pulled.
Container.securityContext: With which rights it runs.
ResourceRequirements: What is needed, and what may be used at most.
ResourceRequirements.requests: What is needed; the node must have it to spare.
ResourceRequirements.limits: What may be used at most.
Toleration: A taint that is borne; one without a key, with the operator Exists, bears all.
Toleration.effect: Which effect of the taint is borne; all if nothing is said.
Toleration.tolerationSeconds: For how long a taint with the effect NoExecute is borne; for ever if nothing is said.
Taint: Keeps pods off a node that do not bear it.
Taint.effect: NoSchedule lets no pod in, NoExecute drives out those that are there too, PreferNoSchedule only advises.
NodeAffinity: Which nodes a pod must or should run on.
NodeSelector: Nodes that meet one of its terms.
NodeSelectorTerm: Requirements on a node that must all be met; one without any is met by no node.
Node: A machine that runs pods.
NodeSpec: How a node is to be used.
NodeSpec.taints: What keeps pods off it.
NodeSpec.unschedulable: Whether new pods are kept off it, as by `kubectl cordon`.
NodeStatus: How a node is.
NodeStatus.capacity: What it has in all.
NodeStatus.allocatable: What pods may use of that.
NodeStatus.addresses: Where it is reached.
NodeStatus.nodeInfo: What it is and runs.
Namespace: A room for names: most objects live in one, and go with it.
ConfigMap: Texts that pods and controllers read.
ConfigMap.data: The texts.
ConfigMap.binaryData: What is no text, in base64.
ConfigMap.immutable: Whether the content may never change again.
Secret: Texts that not everybody may read.
Secret.data: The content, in base64.
Secret.stringData: The content as plain text; only written, never read.
ServiceAccount: Whom a program is when it talks to the API.
Event: Something that happened to an object.
EventsEvent: Something that happened to an object.
Lease: Who holds something, and until when.
LeaseSpec.holderIdentity: Who holds it.
LeaseSpec.renewTime: When the holder last renewed it.
LeaseSpec.leaseDurationSeconds: For how many seconds after that it is held.
PodDisruptionBudget: How many pods may be evicted at a time.
PodDisruptionBudgetSpec.minAvailable: How many must stay: a number, or a part of them.
PodDisruptionBudgetSpec.maxUnavailable: How many may be missing: a number, or a part of them.
ResourceQuota: How much a namespace may use in all.
ResourceQuotaSpec.hard: The most that may be used, by name.
LimitRange: How much a pod or a container may ask for, and what is asked for those that say nothing.
PriorityClass: How important pods are, by name.
PriorityClass.value: The priority itself; of two pods, the one of the greater value is scheduled first.
PriorityClass.globalDefault: Whether pods that name no class are of this one.
PriorityClass.description: What it is for.
PriorityClass.preemptionPolicy: Whether pods of less priority make room; one of Never, PreemptLowerPriority.
Role: What may be done in a namespace.
ClusterRole: What may be done everywhere.
RoleBinding: Who has a role in a namespace.
ClusterRoleBinding: Who has a role everywhere.
PolicyRule: Some verbs on some resources.
CustomResourceDefinitionJSON: A kind of one's own.
"""
_SAID: Mapping[str, str] = MappingProxyType(dict(line.split(": ", 1) for line in _WORDS.splitlines()))


def of_message(name: str) -> str:
    """What a message is; "" if nothing is said of it."""
    return _SAID.get(name, "")


def of_field(message: str, field: str) -> str:
    """What a field of a message is; "" if nothing is said of it."""
    return _SAID.get(f"{message}.{field}") or _SAID.get(f"*.{field}", "")
