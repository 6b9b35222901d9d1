"""Which controllers there are: name -> constructor, upstream's map.

A constructor takes the context, says which kinds it watches, and gives something that runs. Names are upstream's, the
old short ones are aliases.
Upstream: cmd/kube-controller-manager/app (NewControllerDescriptors, once NewControllerInitializers).
"""

import dataclasses
from collections.abc import Callable

from pybernetes.controllers import (
    bootstrap_tokens,
    cluster_role_aggregation,
    disruption,
    endpoints,
    endpointslice_mirroring,
    namespace,
    node_ipam,
    node_lifecycle,
    node_ttl,
    pod_gc,
    replicaset,
    resource_quota,
    root_ca_publisher,
    service_account,
    service_account_tokens,
    taint_eviction,
    ttl_after_finished,
)
from pybernetes.controllers.certificates import controller as certificates
from pybernetes.controllers.context import ControllerContext, Runnable
from pybernetes.controllers.cronjob import controller as cronjob
from pybernetes.controllers.daemonset import controller as daemonset
from pybernetes.controllers.deployment import controller as deployment
from pybernetes.controllers.endpointslice import controller as endpointslice
from pybernetes.controllers.garbage_collector import controller as garbage_collector
from pybernetes.controllers.job import controller as job
from pybernetes.controllers.statefulset import controller as statefulset
from pybernetes.controllers.volumes import controller as volumes
from pybernetes.controllers.volumes import protection
from pybernetes.telemetry import traces


@dataclasses.dataclass(frozen=True, slots=True)
class ControllerDescriptor:
    """One row: how to build the controller, what else it is called, whether `*` includes it."""

    constructor: Callable[[ControllerContext], Runnable | None]
    """None: the settings leave it nothing to do."""
    alias: str = ""
    group: str = ""
    """The API group without which there is nothing to control."""
    on_by_default: bool = True


CONTROLLERS: dict[str, ControllerDescriptor] = {
    # first, as it makes what the others may need to log in
    "serviceaccount-token-controller": ControllerDescriptor(
        service_account_tokens.tokens_controller, "serviceaccount-token"
    ),
    "endpoints-controller": ControllerDescriptor(endpoints.EndpointsController, "endpoint"),
    "endpointslice-mirroring-controller": ControllerDescriptor(
        endpointslice_mirroring.EndpointSliceMirroringController, "endpointslicemirroring", "discovery.k8s.io"
    ),
    "endpointslice-controller": ControllerDescriptor(
        endpointslice.EndpointSliceController, "endpointslice", "discovery.k8s.io"
    ),
    "namespace-controller": ControllerDescriptor(namespace.NamespaceController, "namespace"),
    "disruption-controller": ControllerDescriptor(disruption.DisruptionController, "disruption", "policy"),
    "resourcequota-controller": ControllerDescriptor(resource_quota.ResourceQuotaController, "resourcequota"),
    "certificatesigningrequest-signing-controller": ControllerDescriptor(
        certificates.signing, "csrsigning", "certificates.k8s.io"
    ),
    "certificatesigningrequest-approving-controller": ControllerDescriptor(
        certificates.ApprovingController, "csrapproving", "certificates.k8s.io"
    ),
    "certificatesigningrequest-cleaner-controller": ControllerDescriptor(
        certificates.CleanerController, "csrcleaner", "certificates.k8s.io"
    ),
    "podcertificaterequest-cleaner-controller": ControllerDescriptor(
        certificates.PodCertificateRequestCleaner, group="certificates.k8s.io"
    ),
    "clusterrole-aggregation-controller": ControllerDescriptor(
        cluster_role_aggregation.ClusterRoleAggregationController,
        "clusterrole-aggregation",
        "rbac.authorization.k8s.io",
    ),
    "ttl-after-finished-controller": ControllerDescriptor(
        ttl_after_finished.TTLAfterFinishedController, "ttl-after-finished", "batch"
    ),
    "ttl-controller": ControllerDescriptor(node_ttl.TTLController, "ttl"),
    "bootstrap-signer-controller": ControllerDescriptor(
        bootstrap_tokens.BootstrapSigner, "bootstrapsigner", on_by_default=False
    ),
    "token-cleaner-controller": ControllerDescriptor(
        bootstrap_tokens.TokenCleaner, "tokencleaner", on_by_default=False
    ),
    "node-ipam-controller": ControllerDescriptor(node_ipam.node_ipam, "nodeipam"),
    "node-lifecycle-controller": ControllerDescriptor(node_lifecycle.NodeLifecycleController, "nodelifecycle"),
    "taint-eviction-controller": ControllerDescriptor(taint_eviction.TaintEvictionController),
    "pod-garbage-collector-controller": ControllerDescriptor(pod_gc.PodGCController, "podgc"),
    "serviceaccount-controller": ControllerDescriptor(service_account.ServiceAccountsController, "serviceaccount"),
    "root-ca-certificate-publisher-controller": ControllerDescriptor(
        root_ca_publisher.RootCACertPublisher, "root-ca-cert-publisher"
    ),
    "garbage-collector-controller": ControllerDescriptor(garbage_collector.GarbageCollector, "garbagecollector"),
    "daemonset-controller": ControllerDescriptor(daemonset.DaemonSetsController, "daemonset", "apps"),
    "statefulset-controller": ControllerDescriptor(statefulset.StatefulSetController, "statefulset", "apps"),
    "job-controller": ControllerDescriptor(job.JobController, "job", "batch"),
    "cronjob-controller": ControllerDescriptor(cronjob.CronJobController, "cronjob", "batch"),
    "persistentvolume-binder-controller": ControllerDescriptor(
        volumes.PersistentVolumeController, "persistentvolume-binder"
    ),
    "persistentvolumeclaim-protection-controller": ControllerDescriptor(
        protection.ClaimProtectionController, "pvc-protection"
    ),
    "persistentvolume-protection-controller": ControllerDescriptor(
        protection.VolumeProtectionController, "pv-protection"
    ),
    "deployment-controller": ControllerDescriptor(deployment.DeploymentController, "deployment", "apps"),
    "replicaset-controller": ControllerDescriptor(replicaset.replica_set, "replicaset", "apps"),
    "replicationcontroller-controller": ControllerDescriptor(
        replicaset.replication_controller, "replicationcontroller"
    ),
}


class UnknownController(ValueError):
    """`--controllers` names one that does not exist."""


def enabled(selection: tuple[str, ...] = ("*",)) -> dict[str, ControllerDescriptor]:
    """The rows that `--controllers` selects: `*` the usual ones, `name` on, `-name` off. Raises UnknownController."""
    names = {row.alias: name for name, row in CONTROLLERS.items() if row.alias} | {name: name for name in CONTROLLERS}
    wanted: dict[str, bool] = {}
    for item in selection:
        if item == "*":
            continue
        name = names.get(item.removeprefix("-"))
        if name is None:
            raise UnknownController(f'"{item.removeprefix("-")}" is not in the list of known controllers')
        wanted[name] = not item.startswith("-")
    traces.started(3, note=",".join(selection))
    everything = "*" in selection
    return {name: row for name, row in CONTROLLERS.items() if wanted.get(name, everything and row.on_by_default)}
