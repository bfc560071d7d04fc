"""The fields of the objects that are served and of what they share, Kubernetes v1.36; see `fields` for the notation."""

TABLE = """\
Namespace
  0 kind string
  0 apiVersion string
  1 metadata ObjectMeta !
  2 spec NamespaceSpec !
  3 status NamespaceStatus !
Node
  0 kind string
  0 apiVersion string
  1 metadata ObjectMeta !
  2 spec NodeSpec !
  3 status NodeStatus !
Pod
  0 kind string
  0 apiVersion string
  1 metadata ObjectMeta !
  2 spec PodSpec !
  3 status PodStatus !
Binding
  0 kind string
  0 apiVersion string
  1 metadata ObjectMeta !
  2 target ObjectReference !
ConfigMap
  0 kind string
  0 apiVersion string
  1 metadata ObjectMeta !
  4 immutable bool ?
  2 data {}string
  3 binaryData {}bytes
Secret
  0 kind string
  0 apiVersion string
  1 metadata ObjectMeta !
  5 immutable bool ?
  2 data {}bytes
  4 stringData {}string
  3 type string
ServiceAccount
  0 kind string
  0 apiVersion string
  1 metadata ObjectMeta !
  2 secrets []ObjectReference merge=name
  3 imagePullSecrets []LocalObjectReference
  4 automountServiceAccountToken bool ?
Event
  0 kind string
  0 apiVersion string
  1 metadata ObjectMeta !
  2 involvedObject ObjectReference !
  3 reason string
  4 message string
  5 source EventSource !
  6 firstTimestamp Time !
  7 lastTimestamp Time !
  8 count int32
  9 type string
  10 eventTime MicroTime !
  11 series EventSeries ?
  12 action string
  13 related ObjectReference ?
  14 reportingComponent string !
  15 reportingInstance string !
EventsEvent
  0 kind string
  0 apiVersion string
  1 metadata ObjectMeta !
  2 eventTime MicroTime !
  3 series EventsEventSeries ?
  4 reportingController string
  5 reportingInstance string
  6 action string
  7 reason string
  8 regarding ObjectReference !
  9 related ObjectReference ?
  10 note string
  11 type string
  12 deprecatedSource EventSource !
  13 deprecatedFirstTimestamp Time !
  14 deprecatedLastTimestamp Time !
  15 deprecatedCount int32
DaemonSet
  0 kind string
  0 apiVersion string
  1 metadata ObjectMeta !
  2 spec DaemonSetSpec !
  3 status DaemonSetStatus !
ControllerRevision
  0 kind string
  0 apiVersion string
  1 metadata ObjectMeta !
  2 data Any !
  3 revision int64 !
Lease
  0 kind string
  0 apiVersion string
  1 metadata ObjectMeta !
  2 spec LeaseSpec !
DeleteOptions
  0 kind string
  0 apiVersion string
  1 gracePeriodSeconds int64 ?
  2 preconditions Preconditions ?
  3 orphanDependents bool ?
  4 propagationPolicy string ?
  5 dryRun []string
  6 ignoreStoreReadErrorWithClusterBreakingPotential bool ?
ObjectMeta
  1 name string
  2 generateName string
  3 namespace string
  4 selfLink string
  5 uid string
  6 resourceVersion string
  7 generation int64
  8 creationTimestamp Time
  9 deletionTimestamp Time ?
  10 deletionGracePeriodSeconds int64 ?
  11 labels {}string
  12 annotations {}string
  13 ownerReferences []OwnerReference merge=uid
  14 finalizers []string merge
  17 managedFields []ManagedFieldsEntry
NamespaceSpec
  1 finalizers []string
NamespaceStatus
  1 phase string
  2 conditions []NamespaceCondition merge=type
NodeSpec
  1 podCIDR string
  7 podCIDRs []string merge
  3 providerID string
  4 unschedulable bool
  5 taints []Taint
  6 configSource NodeConfigSource ?
  2 externalID string
NodeStatus
  1 capacity {}Quantity
  2 allocatable {}Quantity
  3 phase string
  4 conditions []NodeCondition merge=type
  5 addresses []NodeAddress merge=type
  6 daemonEndpoints NodeDaemonEndpoints !
  7 nodeInfo NodeSystemInfo !
  8 images []ContainerImage
  9 volumesInUse []string
  10 volumesAttached []AttachedVolume
  11 config NodeConfigStatus ?
  12 runtimeHandlers []NodeRuntimeHandler
  13 features NodeFeatures ?
  14 declaredFeatures []string
ObjectReference
  1 kind string
  2 namespace string
  3 name string
  4 uid string
  5 apiVersion string
  6 resourceVersion string
  7 fieldPath string
LocalObjectReference
  1 name string
EventSource
  1 component string
  2 host string
EventSeries
  1 count int32
  2 lastObservedTime MicroTime !
EventsEventSeries
  1 count int32 !
  2 lastObservedTime MicroTime !
DaemonSetSpec
  1 selector LabelSelector ! ?
  2 template PodTemplateSpec !
  3 updateStrategy DaemonSetUpdateStrategy !
  4 minReadySeconds int32
  6 revisionHistoryLimit int32 ?
DaemonSetStatus
  1 currentNumberScheduled int32 !
  2 numberMisscheduled int32 !
  3 desiredNumberScheduled int32 !
  4 numberReady int32 !
  5 observedGeneration int64
  6 updatedNumberScheduled int32
  7 numberAvailable int32
  8 numberUnavailable int32
  9 collisionCount int32 ?
  10 conditions []DaemonSetCondition merge=type
LeaseSpec
  1 holderIdentity string ?
  2 leaseDurationSeconds int32 ?
  3 acquireTime MicroTime ?
  4 renewTime MicroTime ?
  5 leaseTransitions int32 ?
  6 strategy string ?
  7 preferredHolder string ?
Preconditions
  1 uid string ?
  2 resourceVersion string ?
OwnerReference
  5 apiVersion string !
  1 kind string !
  3 name string !
  4 uid string !
  6 controller bool ?
  7 blockOwnerDeletion bool ?
ManagedFieldsEntry
  1 manager string
  2 operation string
  3 apiVersion string
  4 time Time ?
  6 fieldsType string
  7 fieldsV1 Any ?
  8 subresource string
NamespaceCondition
  1 type string !
  2 status string !
  4 lastTransitionTime Time !
  5 reason string
  6 message string
Taint
  1 key string !
  2 value string
  3 effect string !
  4 timeAdded Time ?
NodeConfigSource
  2 configMap ConfigMapNodeConfigSource ?
NodeCondition
  1 type string !
  2 status string !
  3 lastHeartbeatTime Time !
  4 lastTransitionTime Time !
  5 reason string
  6 message string
NodeAddress
  1 type string !
  2 address string !
NodeDaemonEndpoints
  1 kubeletEndpoint DaemonEndpoint !
NodeSystemInfo
  1 machineID string !
  2 systemUUID string !
  3 bootID string !
  4 kernelVersion string !
  5 osImage string !
  6 containerRuntimeVersion string !
  7 kubeletVersion string !
  8 kubeProxyVersion string !
  9 operatingSystem string !
  10 architecture string !
  11 swap NodeSwapStatus ?
ContainerImage
  1 names []string !
  2 sizeBytes int64
AttachedVolume
  1 name string !
  2 devicePath string !
NodeConfigStatus
  1 assigned NodeConfigSource ?
  2 active NodeConfigSource ?
  3 lastKnownGood NodeConfigSource ?
  4 error string
NodeRuntimeHandler
  1 name string !
  2 features NodeRuntimeHandlerFeatures ?
NodeFeatures
  1 supplementalGroupsPolicy bool ?
ResourceRequirements
  1 limits {}Quantity
  2 requests {}Quantity
  3 claims []ResourceClaim
LabelSelector
  1 matchLabels {}string
  2 matchExpressions []LabelSelectorRequirement
DaemonSetUpdateStrategy
  1 type string
  2 rollingUpdate RollingUpdateDaemonSet ?
DaemonSetCondition
  1 type string !
  2 status string !
  3 lastTransitionTime Time !
  4 reason string
  5 message string
ConfigMapNodeConfigSource
  1 namespace string !
  2 name string !
  3 uid string
  4 resourceVersion string
  5 kubeletConfigKey string !
DaemonEndpoint
  1 Port int32 !
NodeSwapStatus
  1 capacity int64 ?
NodeRuntimeHandlerFeatures
  1 recursiveReadOnlyMounts bool ?
  2 userNamespaces bool ?
ResourceClaim
  1 name string !
  2 request string
LabelSelectorRequirement
  1 key string !
  2 operator string !
  3 values []string
RollingUpdateDaemonSet
  1 maxUnavailable IntOrString ?
  2 maxSurge IntOrString ?
"""
