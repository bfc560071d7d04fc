"""The fields of objects that live beside DaemonSets, Kubernetes v1.36; see `fields` for the notation."""

TABLE = """\
Deployment
  0 kind string
  0 apiVersion string
  1 metadata ObjectMeta !
  2 spec DeploymentSpec !
  3 status DeploymentStatus !
DeploymentSpec
  1 replicas int32 ?
  2 selector LabelSelector ! ?
  3 template PodTemplateSpec !
  4 strategy DeploymentStrategy ! retainKeys
  5 minReadySeconds int32
  6 revisionHistoryLimit int32 ?
  7 paused bool
  9 progressDeadlineSeconds int32 ?
DeploymentStrategy
  1 type string
  2 rollingUpdate RollingUpdateDeployment ?
RollingUpdateDeployment
  1 maxUnavailable IntOrString ?
  2 maxSurge IntOrString ?
DeploymentStatus
  1 observedGeneration int64
  2 replicas int32
  3 updatedReplicas int32
  7 readyReplicas int32
  4 availableReplicas int32
  5 unavailableReplicas int32
  9 terminatingReplicas int32 ?
  6 conditions []DeploymentCondition merge=type
  8 collisionCount int32 ?
DeploymentCondition
  1 type string !
  2 status string !
  6 lastUpdateTime Time
  7 lastTransitionTime Time
  4 reason string
  5 message string
Service
  0 kind string
  0 apiVersion string
  1 metadata ObjectMeta !
  2 spec ServiceSpec !
  3 status ServiceStatus !
ServiceSpec
  1 ports []ServicePort merge=port
  2 selector {}string
  3 clusterIP string
  18 clusterIPs []string
  4 type string
  5 externalIPs []string
  7 sessionAffinity string
  8 loadBalancerIP string
  9 loadBalancerSourceRanges []string
  10 externalName string
  11 externalTrafficPolicy string
  12 healthCheckNodePort int32
  13 publishNotReadyAddresses bool
  14 sessionAffinityConfig SessionAffinityConfig ?
  19 ipFamilies []string
  17 ipFamilyPolicy string ?
  20 allocateLoadBalancerNodePorts bool ?
  21 loadBalancerClass string ?
  22 internalTrafficPolicy string ?
  23 trafficDistribution string ?
ServicePort
  1 name string
  2 protocol string
  6 appProtocol string ?
  3 port int32 !
  4 targetPort IntOrString
  5 nodePort int32
SessionAffinityConfig
  1 clientIP ClientIPConfig ?
ClientIPConfig
  1 timeoutSeconds int32 ?
ServiceStatus
  1 loadBalancer LoadBalancerStatus !
  2 conditions []Condition merge=type
LoadBalancerStatus
  1 ingress []LoadBalancerIngress
LoadBalancerIngress
  1 ip string
  2 hostname string
  3 ipMode string ?
  4 ports []PortStatus
PortStatus
  1 port int32 !
  2 protocol string !
  3 error string ?
Condition
  1 type string !
  2 status string !
  3 observedGeneration int64
  4 lastTransitionTime Time !
  5 reason string !
  6 message string !
PodDisruptionBudget
  0 kind string
  0 apiVersion string
  1 metadata ObjectMeta !
  2 spec PodDisruptionBudgetSpec !
  3 status PodDisruptionBudgetStatus !
PodDisruptionBudgetSpec
  1 minAvailable IntOrString ?
  2 selector LabelSelector ?
  3 maxUnavailable IntOrString ?
  4 unhealthyPodEvictionPolicy string ?
PodDisruptionBudgetStatus
  1 observedGeneration int64
  2 disruptedPods {}Time
  3 disruptionsAllowed int32 !
  4 currentHealthy int32 !
  5 desiredHealthy int32 !
  6 expectedPods int32 !
  7 conditions []Condition merge=type
PriorityClass
  0 kind string
  0 apiVersion string
  1 metadata ObjectMeta !
  2 value int32 !
  3 globalDefault bool
  4 description string
  5 preemptionPolicy string ?
LimitRange
  0 kind string
  0 apiVersion string
  1 metadata ObjectMeta !
  2 spec LimitRangeSpec !
LimitRangeSpec
  1 limits []LimitRangeItem !
LimitRangeItem
  1 type string !
  2 max {}Quantity
  3 min {}Quantity
  4 default {}Quantity
  5 defaultRequest {}Quantity
  6 maxLimitRequestRatio {}Quantity
ResourceQuota
  0 kind string
  0 apiVersion string
  1 metadata ObjectMeta !
  2 spec ResourceQuotaSpec !
  3 status ResourceQuotaStatus !
ResourceQuotaSpec
  1 hard {}Quantity
  2 scopes []string
  3 scopeSelector ScopeSelector ?
ScopeSelector
  1 matchExpressions []ScopedResourceSelectorRequirement
ScopedResourceSelectorRequirement
  1 scopeName string !
  2 operator string !
  3 values []string
ResourceQuotaStatus
  1 hard {}Quantity
  2 used {}Quantity
"""
