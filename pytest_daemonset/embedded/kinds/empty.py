"""Kinds of which there never is an object here: listed, watched and discovered as in Kubernetes, so that informers sync; nobody makes one.

A controller watches what it might need: kube-scheduler waits for the lists of services and storage classes before it binds a pod, a
manager for those of all its kinds. An empty list is a true answer to that. To keep what is written without its rules would not be:
so writes are answered 501, and counted.
"""

from __future__ import annotations

from typing import Final

from pytest_daemonset.embedded.kinds.kind import Kind

# GROUP/VERSION, then its kinds: plural, kind, and what else there is to say: short names, `status` and `scale`, `cluster` for those
# without a namespace, `all` for the category. What a fresh cluster is not empty of (flow schemas, API services) is
# not here.
_TABLE = """\
v1
  endpoints Endpoints ep
  persistentvolumeclaims PersistentVolumeClaim pvc status
  persistentvolumes PersistentVolume pv status cluster
  podtemplates PodTemplate
  replicationcontrollers ReplicationController rc scale status all
  services Service svc status all
apps/v1
  deployments Deployment deploy scale status all
  replicasets ReplicaSet rs scale status all
  statefulsets StatefulSet sts scale status all
autoscaling/v2
  horizontalpodautoscalers HorizontalPodAutoscaler hpa status all
batch/v1
  cronjobs CronJob cj status all
  jobs Job status all
certificates.k8s.io/v1
  certificatesigningrequests CertificateSigningRequest csr approval status cluster
networking.k8s.io/v1
  ingressclasses IngressClass cluster
  ingresses Ingress ing status
  networkpolicies NetworkPolicy netpol
storage.k8s.io/v1
  csidrivers CSIDriver cluster
  csinodes CSINode cluster
  csistoragecapacities CSIStorageCapacity
  storageclasses StorageClass sc cluster
  volumeattachments VolumeAttachment status cluster
  volumeattributesclasses VolumeAttributesClass vac cluster
node.k8s.io/v1
  runtimeclasses RuntimeClass cluster
discovery.k8s.io/v1
  endpointslices EndpointSlice
resource.k8s.io/v1
  deviceclasses DeviceClass cluster
  resourceclaims ResourceClaim status
  resourceclaimtemplates ResourceClaimTemplate
  resourceslices ResourceSlice cluster
"""
_PARTS = ("approval", "scale", "status")
# What a selector by field may ask for, beside the name and the namespace.
_FIELDS: Final = {
    "certificatesigningrequests": ("spec.signerName",),
    "jobs": ("status.successful",),
    "replicationcontrollers": ("status.replicas",),
    "resourceslices": ("spec.driver", "spec.nodeName"),
    "services": ("spec.clusterIP", "spec.type"),
}


def _kind(group_version: str, line: str) -> Kind:
    plural, name, *more = line.split()
    group, _, version = group_version.rpartition("/")
    fields = dict.fromkeys(_FIELDS.get(plural, ()), "")
    return Kind(
        group=group,
        version=version,
        kind=name,
        plural=plural,
        singular=name.lower(),
        short_names=tuple(word for word in more if word not in {*_PARTS, "cluster", "all"}),
        categories=("all",) if "all" in more else (),
        namespaced="cluster" not in more,
        subresources=tuple(part for part in _PARTS if part in more),
        message="PartialObjectMetadata",
        empty=True,
        on_field_labels=lambda _: fields,
    )


def _read(table: str) -> tuple[Kind, ...]:
    kinds, group_version = [], ""
    for line in table.splitlines():
        if line.startswith(" "):
            kinds.append(_kind(group_version, line))
        else:
            group_version = line
    return tuple(kinds)


KINDS: Final = _read(_TABLE)
