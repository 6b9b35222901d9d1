"""Kubernetes, whole, written in Python: API server, controllers, scheduler, kubelet, kube-proxy and DNS.

Start reading at `docs/journey.md`: one ReplicaSet from `kubectl apply` to a running container and back.
"""

__version__ = "0.1.0"
KUBERNETES_VERSION = "v1.37.2"
