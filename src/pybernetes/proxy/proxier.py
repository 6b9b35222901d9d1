"""The service proxy of one node as a component: watches, gathers changes, hands them to the kernel.

A change is applied at once when nothing happened just before, and otherwise together with what else comes within
`min_sync_period`. Only what a change touches is computed and sent; after a failure, when it is unknown what the kernel
holds, the whole table is written anew. Nothing is polled. The rules stay when the proxy ends, so that a restart does
not interrupt traffic: `apply.remove_table` takes them away.

    informers -> changed Services -> ruleset.service_rules -> nftables.Table -> apply.Applier
                                                  `-> healthcheck, conntrack

Path: 17 Service traffic finds the Pod. Upstream: pkg/proxy/nftables (proxier.go), cmd/kube-proxy/app.
"""

import asyncio
import dataclasses

from pybernetes.aio import backoff as backoffs
from pybernetes.aio import clock as clocks
from pybernetes.aio import tasks
from pybernetes.api.types import core, discovery, meta
from pybernetes.apimachinery import timestamps
from pybernetes.client import events, informer, rest
from pybernetes.proxy import apply, conntrack, healthcheck, measures, nftables, ruleset
from pybernetes.telemetry import logs, traces

logger = logs.get("proxy")

PROXY_NAME_LABEL = "service.kubernetes.io/service-proxy-name"
HEADLESS_LABEL = "service.kubernetes.io/headless"
ZONE_LABEL = "topology.kubernetes.io/zone"
TRIGGER_ANNOTATION = "endpoints.kubernetes.io/last-change-trigger-time"
HEALTHZ_PORT = 10256
SWEEP_SECONDS = 1.0
BY_SERVICE = "service"


@dataclasses.dataclass(frozen=True, slots=True)
class ProxyConfig:
    """One node's proxy.

    `table` names its nftables table: clusters that share a network namespace need different ones. `cluster_cidr` are
    the Pods of all nodes, `local_cidr` its own (upstream's detect-local-mode NodeCIDR), `service_cidrs` the range of
    cluster addresses where what nobody has is dropped. Node ports answer on `node_port_addresses` (default: the node's
    addresses). Health and metrics are served on `address` ("": nowhere).
    """

    node_name: str
    node_addresses: tuple[str, ...]
    table: str = "kube-proxy"
    cluster_cidr: str = ""
    local_cidr: str = ""
    service_cidrs: tuple[str, ...] = ()
    node_port_addresses: tuple[str, ...] = ()
    address: str = ""
    healthz_port: int = HEALTHZ_PORT
    min_sync_period: float = 0.1

    def table_settings(self) -> nftables.TableSettings:
        """What the table's fixed part depends on."""
        return nftables.TableSettings(
            self.table,
            cluster_cidr=self.cluster_cidr,
            local_cidr=self.local_cidr,
            node_port_addresses=self.node_port_addresses or self.node_addresses,
            node_addresses=self.node_addresses,
            service_cidrs=self.service_cidrs,
        )


class Proxier:
    """See the module. `applier` and `flows` are its outer edge; without them it uses this machine's kernel."""

    def __init__(
        self,
        client: rest.Client,
        clock: clocks.Clock,
        config: ProxyConfig,
        applier: apply.Applier | None = None,
        flows: conntrack.Conntrack | None = None,
    ) -> None:
        self._client = client
        self._clock = clock
        self._config = config
        self._applier = applier or apply.default_applier()
        self._flows = flows or conntrack.NetlinkConntrack()
        self._backoff = backoffs.Backoff(0.5, 30.0, jitter=0.2, rng=clock.random)
        self.health = healthcheck.ProxyHealth(clock)
        self.table = nftables.Table(config.table_settings())
        self.rules: dict[str, ruleset.ServiceRules] = {}
        """What was computed last; the kernel has it once a sync is through."""
        self.ready = asyncio.Event()
        """Set when the rules of all Services are in the kernel for the first time."""
        self._wake = asyncio.Event()
        self._pending: set[str] = set()
        self._triggers: list[str] = []
        self._full = True
        self._sweep_due = False
        self._sweep_timer: clocks.Timer | None = None
        self._not_before = 0.0

    async def run(self) -> None:
        """Work until cancelled."""
        traces.acting_as.set("kube-proxy")
        async with tasks.TaskGroup("kube-proxy") as group:
            informers = informer.InformerFactory(self._client, self._clock, group)
            self._watch(informers)
            recorder = events.EventRecorder(self._client, "kube-proxy", self._clock, group, host=self._config.node_name)
            addresses = self._config.node_port_addresses or self._config.node_addresses
            self._service_health = healthcheck.ServiceHealthServers(
                self._config.node_name, addresses, self.health, self._clock, self._health_check_failed(recorder)
            )
            status = healthcheck.StatusServer(self.health, self._node, self._clock)
            await self._serve_status(status)
            try:
                await informers.start()
                await informers.wait_for_sync()
                self._wake.set()
                group.start(self._sync_loop(), "sync")
                await group.wait()
            finally:
                if self._sweep_timer is not None:
                    self._sweep_timer.cancel()
                await group.cancel()
                await self._service_health.stop()
                await status.stop()
                await self._applier.close()

    async def _serve_status(self, status: healthcheck.StatusServer) -> None:
        if not self._config.address:
            return
        try:
            await status.start(self._config.address, self._config.healthz_port)
        except OSError as error:
            # Traffic matters more than telling about it: upstream goes on too.
            logger.error("Failed to start proxy healthz", extra=logs.kv(address=self._config.address, err=error))

    # what the watches bring

    def _watch(self, informers: informer.InformerFactory) -> None:
        foreign = f"!{PROXY_NAME_LABEL}"
        self._services = informers.informer(core.Service, label_selector=foreign)
        self._slices = informers.informer(discovery.EndpointSlice, label_selector=f"!{HEADLESS_LABEL},{foreign}")
        self._nodes = informers.informer(core.Node, field_selector=f"metadata.name={self._config.node_name}")
        self._slices.add_index(BY_SERVICE, _service_keys)
        self._services.add_handler(
            self._service_changed,
            lambda _, new: self._service_changed(new),
            lambda obj: self._service_changed(informer.last_known(obj)),
        )
        self._slices.add_handler(
            self._slice_changed, self._slice_updated, lambda obj: self._queue(_service_keys(informer.last_known(obj)))
        )
        self._zone = ""
        self._nodes.add_handler(self._node_changed, lambda _, new: self._node_changed(new), None)

    def _service_changed(self, service: core.Service) -> None:
        measures.SERVICE_CHANGES.inc()
        self._queue([meta.key(service)])

    def _slice_updated(self, old: discovery.EndpointSlice, new: discovery.EndpointSlice) -> None:
        self._queue(_service_keys(old))
        self._slice_changed(new, _trigger(old))

    def _slice_changed(self, one: discovery.EndpointSlice, known_trigger: str = "") -> None:
        measures.ENDPOINT_CHANGES.inc()
        trigger = _trigger(one)
        if self.ready.is_set() and trigger and trigger != known_trigger:
            self._triggers.append(trigger)
        self._queue(_service_keys(one))

    def _node_changed(self, node: core.Node) -> None:
        zone = node.metadata.labels.get(ZONE_LABEL, "")
        if zone != self._zone:
            self._zone = zone
            self._queue([meta.key(service) for service in self._services.list()])

    def _queue(self, keys: list[str]) -> None:
        self._pending.update(keys)
        if keys and self._services.has_synced and self._slices.has_synced:
            measures.LAST_QUEUED.set(self._clock.now().timestamp())
            self.health.queued()
            self._wake.set()

    def _node(self) -> core.Node | None:
        return self._nodes.get("", self._config.node_name)

    # applying

    async def _sync_loop(self) -> None:
        while True:
            await self._wake.wait()
            delay = self._not_before - self._clock.monotonic()
            if delay > 0:
                await self._clock.sleep(delay)
            self._wake.clear()
            started = self._clock.monotonic()
            try:
                await self.sync_proxy_rules()
            except apply.ApplyError as error:
                measures.SYNC_FAILURES.inc()
                delay = self._backoff.next()
                logger.error("nftables sync failed", extra=logs.kv(err=error, retryingTime=f"{delay:.1f}s"))
                self._full = True
                self._not_before = self._clock.monotonic() + delay
                self._wake.set()
            else:
                self._backoff.reset()
                self._not_before = started + self._config.min_sync_period

    async def sync_proxy_rules(self) -> None:
        """Apply what changed since the last time. Raises apply.ApplyError."""
        traces.step(28, note="its rules")
        started = self._clock.monotonic()
        await self._sweep()
        full, triggers = self._full, self._triggers
        self._triggers = []
        before = self._recompute()
        if full:
            text = self.table.full(self.rules)
        else:
            text = self.table.change({key: self.rules.get(key, ruleset.NOTHING) for key in before})
        if text:
            logger.log(logs.verbosity(2), "Syncing nftables rules", extra=logs.kv(fullSync=full, services=len(before)))
            await self._applier.apply(text)
        self._full = False
        self.ready.set()
        self._schedule_sweep()
        if not self._pending:
            self.health.updated()
        if text or before:
            measures.observe_sync(full, self._clock.monotonic() - started, self._clock.now().timestamp())
            measures.observe_local(self.rules)
            self._observe_latency(triggers)
            await self._service_health.sync(self.rules)
            if full or any(_lost_flows(old, self.rules.get(key, ruleset.NOTHING)) for key, old in before.items()):
                await self._clean_stale_flows()

    def _recompute(self) -> dict[str, ruleset.ServiceRules]:
        """Bring `rules` up to date; the former state of what differs."""
        pending, self._pending = self._pending, set()
        vantage = ruleset.Vantage(self._config.node_name, self._config.node_addresses, self._zone)
        before: dict[str, ruleset.ServiceRules] = {}
        for key in pending:
            service = self._services.by_key(key)
            new = ruleset.service_rules(service, self._slices.by_index(BY_SERVICE, key), vantage)
            old = self.rules.get(key, ruleset.NOTHING)
            if new == old:
                continue
            before[key] = old
            if new == ruleset.NOTHING:
                del self.rules[key]
            else:
                self.rules[key] = new
        return before

    async def _sweep(self) -> None:
        if not self._sweep_due:
            return
        self._sweep_due = False
        if text := self.table.sweep():
            try:
                await self._applier.apply(text)
            except apply.ApplyError as error:
                measures.CLEANUP_FAILURES.inc()
                logger.error("Unable to delete stale chains; will retry later", extra=logs.kv(err=error))
                self._full = True

    def _schedule_sweep(self) -> None:
        if self.table.has_stale and self._sweep_timer is None:
            self._sweep_timer = self._clock.call_later(SWEEP_SECONDS, self._sweep_now)

    def _sweep_now(self) -> None:
        self._sweep_timer = None
        self._sweep_due = True
        self._wake.set()

    async def _clean_stale_flows(self) -> None:
        if not any(port.protocol == "udp" for one in self.rules.values() for port in one.ports):
            return
        try:
            stale = conntrack.stale_flows(await self._flows.udp_flows(), self.rules)
            measures.DELETED_FLOWS.inc(await self._flows.delete(stale))
        except OSError as error:
            logger.error("Failed to clear conntrack entries", extra=logs.kv(err=error))

    def _observe_latency(self, triggers: list[str]) -> None:
        now = self._clock.now()
        for trigger in triggers:
            try:
                written = timestamps.parse(trigger)
            except ValueError:
                logger.error("Failed to parse the trigger time annotation", extra=logs.kv(value=trigger))
            else:
                measures.PROGRAMMING.observe((now - written).total_seconds())

    def _health_check_failed(self, recorder: events.EventRecorder) -> healthcheck.Failed:
        def failed(key: str, message: str) -> None:
            service = self._services.by_key(key)
            if service is not None:
                recorder.event(service, "Warning", "FailedToStartServiceHealthcheck", message, action="Listen")

        return failed


def _service_keys(one: discovery.EndpointSlice) -> list[str]:
    name = one.metadata.labels.get(ruleset.SERVICE_LABEL)
    return [f"{one.metadata.namespace}/{name}"] if name else []


def _trigger(one: discovery.EndpointSlice) -> str:
    """When the change happened that the slice was written for ("": not known)."""
    return one.metadata.annotations.get(TRIGGER_ANNOTATION, "")


def _lost_flows(old: ruleset.ServiceRules, new: ruleset.ServiceRules) -> bool:
    """Whether a UDP port lost a serving endpoint or has its first: what flowed before leads nowhere."""
    serving = {(port.protocol, port.name): port.serving for port in new.ports if port.protocol == "udp"}
    for port in old.ports:
        if port.protocol == "udp" and port.serving - serving.get((port.protocol, port.name), frozenset()):
            return True
    known = {(port.protocol, port.name) for port in old.ports if port.serving}
    return any(one and key not in known for key, one in serving.items())
