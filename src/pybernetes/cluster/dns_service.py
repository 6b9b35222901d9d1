"""The Service `kube-dns` of a cluster whose nodes each run their own DNS server.

Upstream: cluster/addons/dns/coredns, in spirit.
"""

from typing import Any

from pybernetes.api.types import core
from pybernetes.apimachinery import errors
from pybernetes.client import rest
from pybernetes.cluster import config as configs

DNS_INDEX = 10
"""The place of the cluster DNS in the service range."""
DNS_SERVICE = "kube-dns"
DNS_PORTS = [{"name": "dns", "port": 53, "protocol": "UDP"}, {"name": "dns-tcp", "port": 53, "protocol": "TCP"}]


async def publish(client: rest.Client, config: configs.ClusterConfig) -> None:
    """The Service `kube-dns`: each node adds its own server to it, and its Pods ask that one only."""
    labels = {"k8s-app": "kube-dns", "kubernetes.io/name": "CoreDNS"}
    address = config.service_address(DNS_INDEX)
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": DNS_SERVICE, "namespace": "kube-system", "labels": labels},
        "spec": {"clusterIP": address, "ports": DNS_PORTS, "internalTrafficPolicy": "Local"},
    }
    for obj in (*_rights(), service):
        await put(client, obj)


async def put(client: rest.Client, obj: dict[str, Any]) -> None:
    """Create the object, or patch the one that is there."""
    resource = client.dynamic(obj["apiVersion"], obj["kind"])
    name, namespace = obj["metadata"]["name"], obj["metadata"].get("namespace", "")
    try:
        await resource.patch(name, obj, namespace)
    except errors.NotFound:
        await resource.create(obj, namespace)


def endpoint(node: core.Node, address: str) -> dict[str, Any]:
    """The DNS server of one node behind the Service; it goes with the node."""
    name = node.metadata.name
    owner = {"apiVersion": "v1", "kind": "Node", "name": name, "uid": node.metadata.uid}
    labels = {"kubernetes.io/service-name": DNS_SERVICE, "endpointslice.kubernetes.io/managed-by": "pybernetes"}
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": f"{DNS_SERVICE}-{name}",
            "namespace": "kube-system",
            "labels": labels,
            "ownerReferences": [owner],
        },
        "addressType": "IPv4",
        "endpoints": [{"addresses": [address], "conditions": {"ready": True}, "nodeName": name}],
        "ports": DNS_PORTS,
    }


def _rights() -> tuple[dict[str, Any], dict[str, Any]]:
    """What the DNS servers may read, as CoreDNS's own manifests have it; and that they may say where they are."""
    slices = ["list", "watch", "create", "patch"]
    reads = [
        {"apiGroups": [""], "resources": ["services", "pods", "namespaces"], "verbs": ["list", "watch"]},
        {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": slices},
    ]
    api, metadata = "rbac.authorization.k8s.io", {"name": "system:coredns"}
    role = {"apiVersion": f"{api}/v1", "kind": "ClusterRole", "metadata": metadata, "rules": reads}
    binding = {
        "apiVersion": f"{api}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": metadata,
        "roleRef": {"apiGroup": api, "kind": "ClusterRole", "name": "system:coredns"},
        "subjects": [{"kind": "ServiceAccount", "name": "coredns", "namespace": "kube-system"}],
    }
    return role, binding
