"""A client of some cluster, found as programs for Kubernetes find theirs.

Upstream: sigs.k8s.io/controller-runtime/pkg/client/config (GetConfig).
"""

import os

from pybernetes.aio import clock as clocks
from pybernetes.client import credentials, kubeconfig, rest, transport


def client(path: str = "", context: str = "", *, clock: clocks.Clock | None = None) -> rest.Client:
    """By that kubeconfig or $KUBECONFIG; else as the service account of the Pod it runs in; else by ~/.kube/config."""
    clock = clock or clocks.RealClock()
    return rest.Client(transport.HttpTransport(_caller(path, context), clock), clock=clock)


def _caller(path: str, context: str) -> credentials.Credentials:
    if not path and not context and not os.environ.get("KUBECONFIG"):
        try:
            return credentials.in_cluster()
        except credentials.NotInCluster:
            pass
    return kubeconfig.load(path).credentials(context=context)
