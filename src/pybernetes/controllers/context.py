"""What a controller is built from: shared caches, a client with its own identity, an event recorder, the clock.

Upstream: cmd/kube-controller-manager/app (ControllerContext, ControllerDescriptor).
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, runtime_checkable

from pybernetes.aio import clock as clocks
from pybernetes.aio import tasks
from pybernetes.client import events, informer, rest


class Runnable(Protocol):
    """A controller: built, then run until cancelled."""

    async def run(self) -> None:
        """Work until cancelled."""


@runtime_checkable
class Debuggable(Protocol):
    """A controller that shows something of itself below /debug/controllers/NAME."""

    def debug(self, path: str, query: Mapping[str, Sequence[str]]) -> tuple[str, bytes] | None:
        """Content type and body for the rest of the path (`/graph`); None: there is nothing."""


@dataclasses.dataclass(frozen=True, slots=True)
class Settings:
    """What the command line may set; names and defaults are upstream's flags."""

    concurrent_replicaset_syncs: int = 5
    concurrent_rc_syncs: int = 5
    concurrent_deployment_syncs: int = 5
    concurrent_daemonset_syncs: int = 2
    concurrent_statefulset_syncs: int = 5
    concurrent_job_syncs: int = 5
    concurrent_cron_job_syncs: int = 5
    concurrent_resource_quota_syncs: int = 5
    resource_quota_sync_period: float = 300.0
    concurrent_namespace_syncs: int = 10
    concurrent_endpoint_syncs: int = 5
    concurrent_service_endpoint_syncs: int = 5
    concurrent_serviceaccount_token_syncs: int = 5
    concurrent_gc_syncs: int = 20
    node_monitor_period: float = 5.0
    node_monitor_grace_period: float = 50.0
    node_startup_grace_period: float = 60.0
    node_eviction_rate: float = 0.1
    secondary_node_eviction_rate: float = 0.01
    large_cluster_size_threshold: int = 50
    unhealthy_zone_threshold: float = 0.55
    cluster_cidr: str = ""
    """Where Pods' addresses come from; "" leaves that to others."""
    node_cidr_mask_size: int = 24
    terminated_pod_gc_threshold: int = 12500
    namespace_deletion_grace_period: float = 5.0
    """Until every API server knows that a namespace is being deleted; 0 where there is only one."""
    signing_certificate: str = ""
    signing_key: str = dataclasses.field(default="", repr=False)
    """The authority (PEM) that signs CertificateSigningRequests; without it nobody does."""
    service_account_key: str = dataclasses.field(default="", repr=False)
    """The private key (PEM) that signs tokens kept in Secrets; without it there are none."""
    root_ca: str = ""
    """The CA certificate (PEM) that clients of this cluster's API server must trust."""


@dataclasses.dataclass(frozen=True, slots=True)
class ControllerContext:
    """Handed to every controller's constructor. `client_for(name)` acts as that service account of kube-system.

    `client` is the manager's own: for whoever makes the tokens of those accounts.
    """

    client: rest.Client
    client_for: Callable[[str], rest.Client]
    informers: informer.InformerFactory
    clock: clocks.Clock
    group: tasks.TaskGroup
    settings: Settings

    def recorder(self, component: str, client: rest.Client) -> events.EventRecorder:
        """Records events as that component."""
        return events.EventRecorder(client, component, self.clock, self.group)
