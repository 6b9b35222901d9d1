"""Which strategy each kind has, and who serves its subresources. A kind that is not listed is an ordinary one.

Upstream: pkg/registry/*/rest/storage_*.go.
"""

from typing import Any

from pybernetes.api import kinds
from pybernetes.api.validation import formats
from pybernetes.apimachinery import names
from pybernetes.apiserver.registry import strategy
from pybernetes.apiserver.registry.apps import daemon_set
from pybernetes.apiserver.registry.batch import job
from pybernetes.apiserver.registry.certificates import signing_request
from pybernetes.apiserver.registry.coordination import lease
from pybernetes.apiserver.registry.core import namespace, node, pod, storage
from pybernetes.apiserver.registry.discovery import endpoint_slice
from pybernetes.apiserver.registry.scheduling import priority_class


def _plain(**settings: Any) -> strategy.Strategy:
    """An ordinary kind with other settings."""
    made = strategy.Strategy()
    for name, value in settings.items():
        if not hasattr(made, name):
            raise AttributeError(name)
        setattr(made, name, value)
    return made


STORAGE = "storage.k8s.io"
ADMISSION = "admissionregistration.k8s.io"
CERTIFICATES = "certificates.k8s.io"

STRATEGIES: dict[tuple[str, str], strategy.Strategy] = {
    ("", "configmaps"): _plain(generation=False),
    ("", "endpoints"): _plain(generation=False, allow_create_on_update=True),
    ("", "events"): _plain(generation=False, allow_create_on_update=True, default_garbage_collection="unsupported"),
    ("", "limitranges"): _plain(generation=False, allow_create_on_update=True),
    ("", "namespaces"): namespace.NamespaceStrategy(),
    ("", "nodes"): node.NodeStrategy(),
    ("", "persistentvolumeclaims"): storage.ClaimStrategy(),
    ("", "persistentvolumes"): storage.VolumeStrategy(),
    ("", "pods"): pod.PodStrategy(),
    ("", "podtemplates"): _plain(returns_deleted=True),
    ("", "replicationcontrollers"): _plain(default_garbage_collection="orphan"),
    ("", "resourcequotas"): _plain(generation=False, returns_deleted=True),
    ("", "secrets"): _plain(generation=False),
    ("", "serviceaccounts"): _plain(generation=False, returns_deleted=True),
    ("", "services"): _plain(
        generation=False, allow_create_on_update=True, returns_deleted=True, name_check=names.is_dns1123_label
    ),
    ("apiregistration.k8s.io", "apiservices"): _plain(generation=False, name_check=names.is_path_segment_name),
    ("apps", "controllerrevisions"): _plain(generation=False),
    ("apps", "deployments"): _plain(generation_of_annotations=True),
    ("apps", "daemonsets"): daemon_set.DaemonSetStrategy(),
    ("apps", "statefulsets"): _plain(name_check=names.is_dns1123_label),
    ("batch", "jobs"): job.JobStrategy(),
    (CERTIFICATES, "certificatesigningrequests"): signing_request.SigningRequestStrategy(),
    (CERTIFICATES, "clustertrustbundles"): _plain(
        # what the name must be depends on the signer, which validation knows
        generation=False,
        allow_unconditional_update=False,
        name_check=lambda name: [],
    ),
    ("coordination.k8s.io", "leases"): lease.LeaseStrategy(),
    ("discovery.k8s.io", "endpointslices"): endpoint_slice.EndpointSliceStrategy(),
    ("networking.k8s.io", "ipaddresses"): _plain(generation=False, name_check=lambda name: [*formats.ip(name)]),
    ("networking.k8s.io", "servicecidrs"): _plain(generation=False),
    ("node.k8s.io", "runtimeclasses"): _plain(
        generation=False, allow_create_on_update=True, allow_unconditional_update=False
    ),
    ("policy", "poddisruptionbudgets"): _plain(allow_unconditional_update=False),
    ("resource.k8s.io", "deviceclasses"): _plain(returns_deleted=True),
    ("resource.k8s.io", "resourceclaims"): _plain(generation=False, returns_deleted=True),
    ("resource.k8s.io", "resourceclaimtemplates"): _plain(generation=False, returns_deleted=True),
    ("resource.k8s.io", "resourceslices"): _plain(returns_deleted=True),
    (STORAGE, "csidrivers"): _plain(generation=False, returns_deleted=True, allow_unconditional_update=False),
    (STORAGE, "csinodes"): _plain(generation=False, returns_deleted=True, allow_unconditional_update=False),
    (STORAGE, "csistoragecapacities"): _plain(generation=False, allow_unconditional_update=False),
    (STORAGE, "storageclasses"): _plain(generation=False, returns_deleted=True),
    (STORAGE, "volumeattachments"): _plain(generation=False, returns_deleted=True, allow_unconditional_update=False),
    (STORAGE, "volumeattributesclasses"): _plain(generation=False, returns_deleted=True),
    ("scheduling.k8s.io", "priorityclasses"): priority_class.PriorityClassStrategy(),
    ("storagemigration.k8s.io", "storageversionmigrations"): _plain(allow_unconditional_update=False),
    **{
        (ADMISSION, plural): _plain(allow_unconditional_update=False)
        for plural in (
            "mutatingadmissionpolicies",
            "mutatingadmissionpolicybindings",
            "mutatingwebhookconfigurations",
            "validatingadmissionpolicies",
            "validatingadmissionpolicybindings",
            "validatingwebhookconfigurations",
        )
    },
}

_ORDINARY = strategy.Strategy()


def strategy_of(kind: kinds.Kind) -> strategy.Strategy:
    """The strategy of a built-in kind."""
    return STRATEGIES.get((kind.group, kind.plural), _ORDINARY)
