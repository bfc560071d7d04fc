"""The fields of what is said about objects, Kubernetes v1.36: lists, statuses, metadata alone; see `fields` for the notation."""

TABLE = """\
TypeMeta
  1 apiVersion string
  2 kind string
ListMeta
  1 selfLink string
  2 resourceVersion string
  3 continue string
  4 remainingItemCount int64 ?
PartialObjectMetadata
  0 kind string
  0 apiVersion string
  1 metadata ObjectMeta !
Status
  0 kind string
  0 apiVersion string
  1 metadata ListMeta !
  2 status string
  3 message string
  4 reason string
  5 details StatusDetails ?
  6 code int32
StatusDetails
  1 name string
  2 group string
  3 kind string
  6 uid string
  4 causes []StatusCause
  5 retryAfterSeconds int32
StatusCause
  1 reason string
  2 message string
  3 field string
APIVersions
  1 versions []string
  2 serverAddressByClientCIDRs []ServerAddressByClientCIDR
ServerAddressByClientCIDR
  1 clientCIDR string !
  2 serverAddress string !
APIGroupList
  1 groups []APIGroup
APIGroup
  1 name string !
  2 versions []GroupVersionForDiscovery
  3 preferredVersion GroupVersionForDiscovery
  4 serverAddressByClientCIDRs []ServerAddressByClientCIDR
GroupVersionForDiscovery
  1 groupVersion string !
  2 version string !
APIResourceList
  1 groupVersion string !
  2 resources []APIResource
APIResource
  1 name string !
  2 namespaced bool !
  3 kind string !
  4 verbs Verbs ?
  5 shortNames []string
  6 singularName string !
  7 categories []string
  8 group string
  9 version string
  10 storageVersionHash string
Verbs
  1 items []string
APIGroupDiscoveryList
  1 metadata ListMeta
  2 items []APIGroupDiscovery
APIGroupDiscovery
  1 metadata ObjectMeta
  2 versions []APIVersionDiscovery
APIVersionDiscovery
  1 version string
  2 resources []APIResourceDiscovery
  3 freshness string
APIResourceDiscovery
  1 resource string
  2 responseKind GroupVersionKind ?
  3 scope string
  4 singularResource string
  5 verbs []string
  6 shortNames []string
  7 categories []string
  8 subresources []APISubresourceDiscovery
GroupVersionKind
  1 group string
  2 version string
  3 kind string
APISubresourceDiscovery
  1 subresource string
  2 responseKind GroupVersionKind ?
  3 acceptedTypes []GroupVersionKind
  4 verbs []string
Eviction
  0 kind string
  0 apiVersion string
  1 metadata ObjectMeta !
  2 deleteOptions DeleteOptions ?
"""
