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
Eviction
  0 kind string
  0 apiVersion string
  1 metadata ObjectMeta !
  2 deleteOptions DeleteOptions ?
"""
