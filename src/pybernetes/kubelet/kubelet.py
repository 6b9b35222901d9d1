"""The node agent: brings the pods bound to this node to life, keeps them so, and tells the API.

    API (pods of this node) ─┐
    runtime events (PLEG) ───┼──► pod workers ──► runtime manager ──► CRI
    probe results ───────────┘        └──► status manager ──► API
    node status, lease, housekeeping, HTTPS server beside them

`Kubelet` only wires; what happens on changes is in `dispatch`, what a worker does with a pod in `pod_sync`.

Path: 14 kubelet decides the actions. Upstream: pkg/kubelet/kubelet.go (syncLoop, HandlePodCleanups).
"""

import asyncio
import dataclasses
import pathlib
import ssl

from pybernetes.aio import clock as clocks
from pybernetes.aio import tasks
from pybernetes.api.types import core
from pybernetes.client import events as client_events
from pybernetes.client import informer as informers
from pybernetes.client import rest
from pybernetes.http import client as http_client
from pybernetes.kubelet import (
    cgroup_manager,
    container_starter,
    dispatch,
    environment,
    eviction_loop,
    garbage,
    image_manager,
    lease,
    lifecycle_hooks,
    log_rotation,
    machine,
    naming,
    node_status,
    pleg,
    pod_sources,
    pod_sync,
    pod_workers,
    prober,
    probes,
    pulled_images,
    recording,
    resources,
    runtime_manager,
    server,
    serving_auth,
    simulation,
    static_pods,
    stats,
    status,
    surroundings,
)
from pybernetes.kubelet import config as configs
from pybernetes.kubelet.cri import convert, runtime
from pybernetes.kubelet.volumes import certificates, manager, objects
from pybernetes.telemetry import traces


class Kubelet:
    """One node's agent. `ready` is set when the node is registered and its pods are being looked after."""

    def __init__(
        self,
        client: rest.Client,
        clock: clocks.Clock,
        config: configs.KubeletConfig,
        cri: runtime.Runtime,
        host: machine.Machine | None = None,
    ) -> None:
        self.client = client
        self.clock = clock
        self.config = config
        self.cri = cri
        self.ready = asyncio.Event()
        self.host = host or (machine.simulated() if config.simulated else machine.read(config.root_dir))
        self._resolver = naming.Resolver()
        self.group: tasks.TaskGroup
        self.pods: pod_sources.ApiSource
        self.services: informers.Informer[core.Service] | None = None
        self.workers: pod_workers.PodWorkers
        self.pleg: pleg.Pleg
        self.prober: prober.Prober
        self.statuses: status.StatusManager
        self.mirrors: static_pods.Mirrors
        self.node: node_status.NodeStatus
        self.events: recording.Events
        self.cache: objects.ObjectCache | None = None
        self.volumes: manager.VolumeManager | None = None
        self.groups: cgroup_manager.PodGroups | None = None
        self.limits = resources.Node(self.host.memory, config.cpu_cfs_quota, int(config.cpu_cfs_quota_period * 1e6))
        self.server: server.KubeletServer | None = None
        self._sync: pod_sync.PodSync
        self.dispatcher: dispatch.Dispatcher

    async def run(self) -> None:
        """Be the node until cancelled."""
        traces.acting_as.set("kubelet")
        async with tasks.TaskGroup(f"kubelet {self.config.node_name}") as group:
            self.group = group
            kind = simulation.SimulatedHttp if self.config.simulated else http_client.HttpClient
            http = kind(_unverified_tls, clock=self.clock)
            try:
                self._wire(group, http)
                await self._serve(http)
                await self._start(group)
                await group.wait()
            finally:
                if self.server is not None:
                    await self.server.stop()
                await http.close()

    # -- wiring ------------------------------------------------------------------------------------------------------

    def _wire(self, group: tasks.TaskGroup, http: http_client.HttpClient) -> None:
        client, clock, config, cri = self.client, self.clock, self.config, self.cri
        collector = garbage.GarbageCollector(cri, clock, config)
        dispatcher = self.dispatcher = dispatch.Dispatcher(group, clock, config, collector)
        recorder = client_events.EventRecorder(client, "kubelet", clock, group, host=config.node_name)
        self.events = recording.Events(recorder, config.node_name)
        self.node = node_status.NodeStatus(client, clock, config, self.host, cri, self.events)
        self._factory = informers.InformerFactory(client, clock, group)
        self.pods = pod_sources.ApiSource(
            self._factory,
            config.node_name,
            dispatcher.pod_set,
            dispatcher.pod_removed,
            dispatcher.mirror_changed,
        )
        self.mirrors = static_pods.Mirrors(client, config.node_name)
        period = config.relist_period if not config.simulated else config.relist_period_with_events
        self.pleg = pleg.Pleg(
            cri, clock, dispatcher.pod_changed, period=period, period_with_events=config.relist_period_with_events
        )
        self.pleg.on_recovered = dispatcher.runtime_recovered
        if not config.simulated:  # a runtime in memory never hangs, and time may leap
            self.node.pleg_healthy = lambda: self.pleg.healthy
        asker = (simulation.SimulatedProbes if config.simulated else probes.Probes)(cri, http, clock)
        self.prober = prober.Prober(asker, clock, self.events, group, dispatcher.pod_changed)
        self.statuses = status.StatusManager(client, clock, group, dispatcher.api_pod, dispatcher.could_run)
        if not config.simulated and config.cgroups_per_qos:
            self._wire_groups(collector)
        if not config.simulated:
            self.services = self._factory.informer(core.Service)
            self.cache = objects.ObjectCache(self._factory, clock, dispatcher.object_changed)
            issued = certificates.CertificateManager(
                client, self._factory, clock, self.events, config.node_name, dispatcher.object_changed
            )
            self.volumes = manager.VolumeManager(
                manager.Parts(client, clock, config, self.cache, issued, self.events, group, self._environment_sources)
            )
        self._sync = pod_sync.PodSync(
            pod_sync.Parts(
                client=client,
                clock=clock,
                config=config,
                pleg=self.pleg,
                prober=self.prober,
                events=self.events,
                statuses=self.statuses,
                volumes=self.volumes,
                cache=self.cache,
                groups=self.groups,
                network_error=lambda: self.node.runtime.network_error,
                admit=dispatcher.rejection,
                runtime_name=lambda: self.node.runtime.version.runtime_name or "containerd",
            )
        )
        self._sync.manager = self._runtime_manager(http)
        self.workers = pod_workers.PodWorkers(self._sync, clock, group, config.sync_frequency)
        self.workers.on_finished = dispatcher.worker_finished
        self._fill_in(dispatcher)

    def _wire_groups(self, collector: garbage.GarbageCollector) -> None:
        hierarchies = cgroup_manager.Hierarchies.find()
        self.limits = dataclasses.replace(
            self.limits, cgroup_version=hierarchies.version, counts_swap=hierarchies.counts_swap
        )
        pids = self.config.pod_pids_limit if self.config.pod_pids_limit > 0 else None
        groups = cgroup_manager.PodGroups(self.config.cgroup_root, hierarchies, self.limits, pids)
        groups.pods = self.dispatcher.active_pods
        self.groups = collector.groups = groups

    def _fill_in(self, dispatcher: dispatch.Dispatcher) -> None:
        """Give the dispatcher its parts, which call back to it."""
        dispatcher.pods, dispatcher.services, dispatcher.mirrors = self.pods, self.services, self.mirrors
        dispatcher.workers, dispatcher.sync, dispatcher.pleg = self.workers, self._sync, self.pleg
        dispatcher.statuses, dispatcher.volumes = self.statuses, self.volumes
        dispatcher.node, dispatcher.events = self.node, self.events

    def _runtime_manager(self, http: http_client.HttpClient) -> runtime_manager.RuntimeManager:
        hooks = lifecycle_hooks.Hooks(self.cri, http, self.clock)
        file = None if self.config.simulated else self.config.root_dir / "image_manager" / "pulled.json"
        pulled = pulled_images.PulledImages(file)
        self.node.images_seen = pulled.keep
        images = image_manager.ImageManager(self.cri, self.clock, self.events, pulled)
        source: container_starter.SurroundingsSource = surroundings.SimulatedSurroundings()
        if self.cache is not None and self.volumes is not None:
            source = surroundings.RealSurroundings(self.config, self.cache, self.volumes, self._environment_sources)
        starter = container_starter.ContainerStarter(self.cri, images, hooks, source, self.events, self.limits)
        outside = runtime_manager.PodOutside(
            sandbox_options=self._sandbox_options,
            termination_requested=self.dispatcher.termination_requested,
            sandbox_ready=self._sync.sandbox_ready,
            runtime_handler=lambda pod: self._sync.handlers.get(pod.metadata.uid, ""),
            node=self.limits,
            groups=self.groups,
        )
        return runtime_manager.RuntimeManager(self.cri, self.clock, self.events, starter, hooks, outside)

    async def _serve(self, http: http_client.HttpClient) -> None:
        """Listen for logs, exec and the like; simulated nodes have nothing to say."""
        if self.config.simulated or not self.config.port:
            return
        provider = stats.StatsProvider(self.cri, self.clock, self.config, self.host, self.dispatcher.all_pods)
        provider.groups, provider.limits = self.groups, self.limits
        view = server.NodeView(
            pods=self.dispatcher.all_pods,
            find_pod=self.dispatcher.find_pod,
            api_status=self.statuses.get,
            runtime_status=self.pleg.statuses.get,
            cri=self.cri,
            stats=provider,
        )
        guard = serving_auth.Guard(self.client, self.clock, self.config.node_name, anonymous=self.config.anonymous_auth)
        self.server = server.KubeletServer(view, self.config, self.clock, guard, http)
        await self.server.start()

    async def _start(self, group: tasks.TaskGroup) -> None:
        config = self.config
        if not config.simulated:
            config.pods_dir.mkdir(parents=True, exist_ok=True, mode=0o750)
            config.pod_logs_dir.mkdir(parents=True, exist_ok=True, mode=0o755)
            path = pathlib.Path(config.resolv_conf)
            if config.resolv_conf and path.exists():
                self._resolver = naming.parse_resolv_conf(path.read_text(encoding="utf-8"))
        self.events.node(recording.NORMAL, "Starting", "Starting kubelet.")
        if self.groups is not None:
            self.groups.start(node_status.reservable(config, self.node.capacity))
            message = "Updated Node Allocatable limit across pods"
            self.events.node(recording.NORMAL, "NodeAllocatableEnforced", message)
        await self.node.refresh_runtime()
        await self.pleg.try_relist()
        if config.register_node:
            await self.node.register()
        group.start(
            lease.NodeLease(self.client, self.clock, config.node_name, config.node_lease_duration_seconds).run(),
            "lease",
        )
        group.start(self.node.run(), "node status")
        group.start(self.pleg.run(), "pleg")
        await self._factory.start()
        await self._factory.wait_for_sync()
        for pod in self.pods.all():
            self.dispatcher.pod_set(pod)
        if config.static_pod_path and not config.simulated:
            folder = pathlib.Path(config.static_pod_path)
            dispatcher = self.dispatcher
            files = static_pods.FileSource(
                folder, config.node_name, self.clock, dispatcher.static_set, dispatcher.static_removed
            )
            files.look()
            group.start(files.run(), "static pods")
        if not config.simulated:
            self._guard_resources(group)
        self.dispatcher.settled = True
        group.start(self.dispatcher.housekeeping(), "housekeeping")
        self.ready.set()

    def _guard_resources(self, group: tasks.TaskGroup) -> None:
        """Keep logs small, and the node alive when memory or disk run short."""
        config, cri = self.config, self.cri
        rotation = log_rotation.LogRotation(cri, self.clock, self.pleg.running, config)
        group.start(rotation.run(), "log rotation")
        eviction = eviction_loop.EvictionLoop(
            self.clock, config, cri, self.workers, self.events, self.dispatcher.all_pods
        )
        eviction.reclaim = self.dispatcher.free_disk
        group.start(eviction.run(), "eviction")

    def _sandbox_options(self, pod: core.Pod) -> convert.SandboxOptions:
        config = self.config
        directory = convert.log_directory(str(config.pod_logs_dir), pod)
        if not config.simulated:
            pathlib.Path(directory).mkdir(parents=True, exist_ok=True)
        resolver = naming.pod_resolver(pod, self._resolver, config.cluster_dns, config.cluster_domain)
        host, _ = naming.host_name(pod, config.cluster_domain)
        parent = self.groups.parent(pod) if self.groups is not None else ""
        return convert.SandboxOptions(directory, resolver, host, parent)

    def _environment_sources(self, pod: core.Pod, ips: tuple[str, ...] = ()) -> environment.Sources:
        if not ips:
            known = self.pleg.statuses.get(pod.metadata.uid)
            ips = known.ips if known is not None else ()
            ips = ips or tuple(one.ip for one in pod.status.podIPs)
        return environment.Sources(
            services=tuple(self.services.list()) if self.services is not None else (),
            pod_ips=ips,
            host_ips=(self.config.node_ip,) if self.config.node_ip else (),
            allocatable=self.node.allocatable,
            node_name=self.config.node_name,
        )


def _unverified_tls() -> ssl.SSLContext:
    """For probes and hooks: pods have no certificates that could be verified."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
