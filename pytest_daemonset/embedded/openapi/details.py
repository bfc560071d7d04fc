"""What OpenAPI says of fields beyond the field tables: which must be given, which values they take, what stands for one left out."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

# MESSAGE, then the fields that must be given although the table does not tell (+), or need not be although it seems so (-).
_REQUIRED = """\
MutatingWebhook +clientConfig
ValidatingWebhook +clientConfig
ValidatingAdmissionPolicyBinding +spec
ValidatingAdmissionPolicyBindingSpec +policyName +validationActions
DaemonSetCondition +status
NamespaceCondition +status
NodeCondition +status
PodCondition +status
CustomResourceDefinitionCondition +status
Condition +status +lastTransitionTime
TokenReview +spec
TokenReviewSpec +token
LocalSubjectAccessReview +spec
SelfSubjectAccessReview +spec
SelfSubjectRulesReview +spec
SubjectAccessReview +spec
ContainerImage -names
ContainerRestartRule +action
ContainerRestartRuleOnExitCodes +operator
Event +metadata
EventsEvent +eventTime
GRPCAction -service
HTTPGetAction +port
TCPSocketAction +port
ImageVolumeStatus +imageRef
NodeAllocatableResourceClaimStatus +resources
NodeRuntimeHandler -name
PersistentVolumeClaimTemplate +spec
PodCertificateProjection +keyType +signerName
ProjectedVolumeSource -sources
ScaleIOVolumeSource +secretRef
TypedLocalObjectReference -apiGroup
TypedObjectReference -apiGroup
PodDisruptionBudgetStatus -currentHealthy -desiredHealthy -disruptionsAllowed -expectedPods
RoleRef -apiGroup
CustomResourceDefinitionJSON +spec
CustomResourceDefinitionSpec +names
CustomResourceDefinitionStatus -conditions -storedVersions
"""

# MESSAGE FIELD, then the values that the field, or each of its elements, may have.
_VALUES = """\
MatchResources matchPolicy Equivalent Exact
MutatingAdmissionPolicySpec failurePolicy Fail Ignore
MutatingAdmissionPolicySpec reinvocationPolicy IfNeeded Never
MutatingWebhook failurePolicy Fail Ignore
MutatingWebhook matchPolicy Equivalent Exact
MutatingWebhook reinvocationPolicy IfNeeded Never
MutatingWebhook sideEffects None NoneOnDryRun Some Unknown
Mutation patchType ApplyConfiguration JSONPatch
NamedRuleWithOperations operations * CONNECT CREATE DELETE UPDATE
NamedRuleWithOperations scope * Cluster Namespaced
RuleWithOperations operations * CONNECT CREATE DELETE UPDATE
RuleWithOperations scope * Cluster Namespaced
ValidatingAdmissionPolicyBindingSpec validationActions Audit Deny Warn
ValidatingAdmissionPolicySpec failurePolicy Fail Ignore
ValidatingWebhook failurePolicy Fail Ignore
ValidatingWebhook matchPolicy Equivalent Exact
ValidatingWebhook sideEffects None NoneOnDryRun Some Unknown
DaemonSetUpdateStrategy type OnDelete RollingUpdate
AppArmorProfile type Localhost RuntimeDefault Unconfined
AzureDiskVolumeSource cachingMode None ReadOnly ReadWrite
AzureDiskVolumeSource kind Dedicated Managed Shared
Container imagePullPolicy Always IfNotPresent Never
Container terminationMessagePolicy FallbackToLogsOnError File
ContainerPort protocol SCTP TCP UDP
EphemeralContainer imagePullPolicy Always IfNotPresent Never
EphemeralContainer terminationMessagePolicy FallbackToLogsOnError File
HTTPGetAction scheme HTTP HTTPS
HostPathVolumeSource type "" BlockDevice CharDevice Directory DirectoryOrCreate File FileOrCreate Socket
ImageVolumeSource pullPolicy Always IfNotPresent Never
NamespaceStatus phase Active Terminating
NodeSelectorRequirement operator DoesNotExist Exists Gt In Lt NotIn
NodeStatus phase Pending Running Terminated
PersistentVolumeClaimSpec accessModes ReadOnlyMany ReadWriteMany ReadWriteOnce ReadWriteOncePod
PersistentVolumeClaimSpec volumeMode Block Filesystem
PodDisruptionBudgetSpec unhealthyPodEvictionPolicy AlwaysAllow IfHealthyBudget
PodSecurityContext fsGroupChangePolicy Always OnRootMismatch
PodSecurityContext supplementalGroupsPolicy Merge Strict
PriorityClass preemptionPolicy Never PreemptLowerPriority
PodSpec dnsPolicy ClusterFirst ClusterFirstWithHostNet Default None
PodSpec preemptionPolicy Never PreemptLowerPriority
PodSpec restartPolicy Always Never OnFailure
PodStatus phase Failed Pending Running Succeeded Unknown
PodStatus qosClass BestEffort Burstable Guaranteed
ResourceQuotaSpec scopes BestEffort CrossNamespacePodAffinity NotBestEffort NotTerminating PriorityClass Terminating VolumeAttributesClass
ScopedResourceSelectorRequirement operator DoesNotExist Exists In NotIn
ScopedResourceSelectorRequirement scopeName BestEffort CrossNamespacePodAffinity NotBestEffort NotTerminating PriorityClass Terminating \
VolumeAttributesClass
SeccompProfile type Localhost RuntimeDefault Unconfined
SecurityContext procMount Default Unmasked
Taint effect NoExecute NoSchedule PreferNoSchedule
Toleration effect NoExecute NoSchedule PreferNoSchedule
Toleration operator Equal Exists Gt Lt
TopologySpreadConstraint nodeAffinityPolicy Honor Ignore
TopologySpreadConstraint nodeTaintsPolicy Honor Ignore
TopologySpreadConstraint whenUnsatisfiable DoNotSchedule ScheduleAnyway
VolumeMount mountPropagation Bidirectional HostToContainer None
"""

# MESSAGE FIELD, then what stands for it if it is left out.
_DEFAULTS = """\
AzureDiskVolumeSource cachingMode ReadWrite
AzureDiskVolumeSource fsType ext4
AzureDiskVolumeSource kind Shared
ConfigMapEnvSource name ""
ConfigMapKeySelector name ""
ConfigMapProjection name ""
ConfigMapVolumeSource name ""
ContainerPort protocol TCP
LocalObjectReference name ""
SecretEnvSource name ""
SecretKeySelector name ""
SecretProjection name ""
ISCSIVolumeSource iscsiInterface default
RBDVolumeSource keyring /etc/ceph/keyring
RBDVolumeSource pool rbd
RBDVolumeSource user admin
ScaleIOVolumeSource fsType xfs
ScaleIOVolumeSource storageMode ThinProvisioned
"""


def _by_field(table: str) -> Mapping[tuple[str, str], list[str]]:
    lines = [line.split() for line in table.splitlines()]
    return MappingProxyType({(line[0], line[1]): ["" if word == '""' else word for word in line[2:]] for line in lines})


REQUIRED: Mapping[str, Mapping[str, bool]] = MappingProxyType(
    {
        message: {word[1:]: word[0] == "+" for word in words}
        for message, *words in (line.split() for line in _REQUIRED.splitlines())
    }
)
"""Message -> field -> whether it must be given; the fields that are not there are as the tables tell."""

VALUES = _by_field(_VALUES)
"""(Message, field) -> the values that it, or each of its elements, may have."""

DEFAULTS: Mapping[tuple[str, str], Any] = MappingProxyType({key: said[0] for key, said in _by_field(_DEFAULTS).items()})
"""(Message, field) -> what stands for it where it is left out, other than nothing."""
