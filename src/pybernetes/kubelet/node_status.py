"""The Node object: registered once, reported on change and every five minutes.

Upstream: pkg/kubelet/kubelet_node_status.go, pkg/kubelet/nodestatus/setters.go.
"""

import asyncio
import dataclasses
import logging
import shutil
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pybernetes.aio import clock as clocks
from pybernetes.api.types import core, meta
from pybernetes.apimachinery import errors, quantity, timestamps
from pybernetes.client import rest, transport
from pybernetes.kubelet import config as configs
from pybernetes.kubelet import eviction, machine, recording
from pybernetes.kubelet.cri import runtime

logger = logging.getLogger(__name__)

_MAX_IMAGES = 50
_HEARTBEAT = "lastHeartbeatTime"


@dataclasses.dataclass(frozen=True, slots=True)
class RuntimeView:
    """What the runtime says of itself, kept from the last look."""

    version: runtime.Version
    conditions: tuple[runtime.RuntimeCondition, ...] = ()
    failure: str = ""
    images: tuple[runtime.Image, ...] = ()

    @property
    def network_error(self) -> str:
        """Why pods cannot get a network; empty when they can."""
        return self._error("NetworkReady", "container runtime network not ready")

    @property
    def runtime_error(self) -> str:
        """Why no pods can run; empty when they can."""
        return self.failure or self._error("RuntimeReady", "container runtime not ready")

    def _error(self, kind: str, text: str) -> str:
        for one in self.conditions:
            if one.type == kind and not one.status:
                return f"{text}: {kind}=false reason:{one.reason} message:{one.message}"
        return ""


class NodeStatus:
    """Keeps this node's object in the API true."""

    def __init__(
        self,
        client: rest.Client,
        clock: clocks.Clock,
        config: configs.KubeletConfig,
        host: machine.Machine,
        cri: runtime.Runtime,
        events: recording.Events,
    ) -> None:
        self._nodes = client.resource(core.Node)
        self._clock = clock
        self._config = config
        self._machine = host
        self._cri = cri
        self._events = events
        self._reported = 0.0
        self._node: core.Node | None = None
        self._conditions: dict[str, tuple[str, str]] = {}
        """type → status, since"""
        self.hurry = asyncio.Event()
        """Set when something is known to have changed"""
        self.pleg_healthy: Callable[[], bool] = lambda: True
        self.images_seen: Callable[[set[str]], None] = lambda _: None
        self.runtime = RuntimeView(runtime.Version("", "", ""))
        self.capacity = capacity(config, host)
        self.allocatable = allocatable(config, self.capacity)

    @property
    def labels(self) -> Mapping[str, str]:
        """The node's labels as last seen."""
        return self._node.metadata.labels if self._node is not None else {}

    async def refresh_runtime(self) -> None:
        """Ask the runtime how it is."""
        version = self.runtime.version
        try:
            if not version.runtime_name:
                version = await self._cri.version()
            images = tuple(await self._cri.list_images())
            self.images_seen({one.id for one in images})
            self.runtime = RuntimeView(version, await self._cri.status(), "", images)
        except runtime.CriError as failure:
            self.runtime = dataclasses.replace(self.runtime, failure=f"container runtime is down: {failure}")

    async def run(self) -> None:
        """Report until cancelled."""
        while True:
            period = self._config.node_status_update_frequency
            timer = self._clock.call_later(period, self.hurry.set, upkeep="node status")
            await self.hurry.wait()
            self.hurry.clear()
            timer.cancel()
            await self.refresh_runtime()
            try:
                await self.report()
            except (errors.StatusError, transport.TransportError) as failure:
                logger.warning("reporting node status: %s", failure)

    async def register(self) -> None:
        """Create the Node, or take over the one that is there."""
        delay = 0.1
        while True:
            try:
                await self._register()
                return
            except (errors.StatusError, transport.TransportError) as failure:
                logger.warning("registering node %s: %s", self._config.node_name, failure)
            await self._clock.sleep(delay)
            delay = min(delay * 2, 7.0)

    async def _register(self) -> None:
        now = timestamps.format_time(self._clock.now())
        node = self._initial_node(now)
        try:
            self._node = await self._nodes.create(node)
            self._reported = self._clock.monotonic()
            logger.info("registered node %s", self._config.node_name)
        except errors.AlreadyExists:
            existing = await self._nodes.get(self._config.node_name)
            for one in existing.status.conditions:
                self._conditions.setdefault(one.type, (one.status, one.lastTransitionTime))
            wanted = {**existing.metadata.labels, **node["metadata"]["labels"]}
            if wanted != existing.metadata.labels:
                patch = {"metadata": {"labels": node["metadata"]["labels"]}}
                existing = await self._nodes.patch(self._config.node_name, patch)
            self._node = existing
            await self.report(force=True)

    def _initial_node(self, now: str) -> dict[str, Any]:
        config = self._config
        arch, system = self._machine.architecture, self._machine.operating_system
        spec: dict[str, Any] = {}
        if config.provider_id:
            spec["providerID"] = config.provider_id
        if config.register_with_taints:
            spec["taints"] = [
                {"key": key, "value": text, "effect": effect} for key, text, effect in config.register_with_taints
            ]
        return {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {
                "name": config.node_name,
                "labels": {
                    "kubernetes.io/hostname": config.hostname or config.node_name,
                    "kubernetes.io/os": system,
                    "kubernetes.io/arch": arch,
                    "beta.kubernetes.io/os": system,
                    "beta.kubernetes.io/arch": arch,
                    **config.node_labels,
                },
                "annotations": {
                    "volumes.kubernetes.io/controller-managed-attach-detach": "true",
                    **config.node_annotations,
                },
            },
            "spec": spec,
            "status": self._status(now),
        }

    async def read(self) -> None:
        """See our Node as it is now."""
        self._node = await self._nodes.get(self._config.node_name)

    async def report(self, *, force: bool = False) -> None:
        """Patch the status if it changed, or if it has not been sent for long."""
        now = timestamps.format_time(self._clock.now())
        status = self._status(now)
        self._node = await self._nodes.get(self._config.node_name, resource_version="0")
        known = meta.to_dict(self._node.status)
        due = self._clock.monotonic() - self._reported >= self._config.node_status_report_frequency
        if not force and not due and _substance(status) == _substance(known, status):
            return
        self._node = await self._nodes.patch(
            self._config.node_name, {"status": status}, type="strategic", subresource="status"
        )
        self._reported = self._clock.monotonic()

    def _status(self, now: str) -> dict[str, Any]:
        config = self._config
        version = self.runtime.version
        addresses = [{"type": "InternalIP", "address": config.node_ip}] if config.node_ip else []
        addresses.append({"type": "Hostname", "address": config.hostname or config.node_name})
        return {
            "capacity": dict(self.capacity),
            "allocatable": dict(self.allocatable),
            "conditions": self._make_conditions(now),
            "addresses": addresses,
            "daemonEndpoints": {"kubeletEndpoint": {"Port": config.port}},
            "nodeInfo": {
                "machineID": self._machine.machine_id,
                "systemUUID": self._machine.system_uuid,
                "bootID": self._machine.boot_id,
                "kernelVersion": self._machine.kernel,
                "osImage": self._machine.os_image,
                "containerRuntimeVersion": f"{version.runtime_name}://{version.runtime_version}",
                "kubeletVersion": machine.KUBELET_VERSION,
                "kubeProxyVersion": "",
                "operatingSystem": self._machine.operating_system,
                "architecture": self._machine.architecture,
            },
            "images": images(self.runtime.images),
        }

    # -- conditions --------------------------------------------------------------------------------------------------

    def _make_conditions(self, now: str) -> list[dict[str, Any]]:
        problems = [self.runtime.runtime_error, self.runtime.network_error]
        if not self.pleg_healthy():
            problems.append("PLEG is not healthy")
        message = ", ".join(one for one in problems if one)
        if len([one for one in problems if one]) > 1:
            message = f"[{message}]"
        low_memory, low_disk = self._pressures()
        return [
            self._condition(now, "MemoryPressure", low_memory, _MEMORY),
            self._condition(now, "DiskPressure", low_disk, _DISK),
            self._condition(now, "PIDPressure", False, _PID),
            self._condition(
                now,
                "Ready",
                not message,
                (("KubeletNotReady", message, "NodeNotReady"), _READY),
            ),
        ]

    def _pressures(self) -> tuple[bool, bool]:
        if self._config.simulated:
            return False, False
        usage = shutil.disk_usage(self._config.root_dir)
        short = {one.resource for one in eviction.signals(machine.available_memory(), usage.free, usage.total)}
        return "memory" in short, "ephemeral-storage" in short

    def _condition(
        self, now: str, kind: str, holds: bool, texts: tuple[tuple[str, str, str], tuple[str, str, str]]
    ) -> dict[str, Any]:
        reason, message, event = texts[holds]
        status = str(holds)
        before, since = self._conditions.get(kind, ("", ""))
        if before != status:
            since = now
            self._events.node(recording.NORMAL, event, f"Node {self._config.node_name} status is now: {event}")
        self._conditions[kind] = (status, since)
        return {
            "type": kind,
            "status": status,
            _HEARTBEAT: now,
            "lastTransitionTime": since,
            "reason": reason,
            "message": message,
        }


# reason, message and event when a condition does not hold, and when it does
_MEMORY = (
    ("KubeletHasSufficientMemory", "kubelet has sufficient memory available", "NodeHasSufficientMemory"),
    ("KubeletHasInsufficientMemory", "kubelet has insufficient memory available", "NodeHasInsufficientMemory"),
)
_DISK = (
    ("KubeletHasNoDiskPressure", "kubelet has no disk pressure", "NodeHasNoDiskPressure"),
    ("KubeletHasDiskPressure", "kubelet has disk pressure", "NodeHasDiskPressure"),
)
_PID = (
    ("KubeletHasSufficientPID", "kubelet has sufficient PID available", "NodeHasSufficientPID"),
    ("KubeletHasInsufficientPID", "kubelet has insufficient PID available", "NodeHasInsufficientPID"),
)
_READY = ("KubeletReady", "kubelet is posting ready status", "NodeReady")


def _substance(status: Mapping[str, Any], like: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """What of a status makes a report necessary; only members of `like`, as others are not ours."""
    result = {name: part for name, part in status.items() if part and (like is None or name in like)}
    for name in {"capacity", "allocatable"} & result.keys():
        result[name] = {resource: quantity.parse(amount) for resource, amount in result[name].items()}
    result["conditions"] = sorted(
        (
            {name: text for name, text in one.items() if name != _HEARTBEAT}
            for one in status.get("conditions", ())
            if like is None or any(one["type"] == other["type"] for other in like["conditions"])
        ),
        key=lambda one: str(one["type"]),
    )
    return result


def capacity(config: configs.KubeletConfig, host: machine.Machine) -> dict[str, str]:
    """All the machine has."""
    return {
        "cpu": str(host.cores),
        "memory": f"{host.memory // 1024}Ki",
        "ephemeral-storage": f"{host.disk // 1024}Ki",
        "hugepages-1Gi": "0",
        "hugepages-2Mi": "0",
        "pods": str(config.max_pods),
        **config.pods_capacity,
    }


def reservable(config: configs.KubeletConfig, total: Mapping[str, str]) -> dict[str, str]:
    """What is left when the system and the cluster's own programs have what is reserved for them."""
    zero, result = quantity.parse("0"), {}
    for name, text in total.items():
        left = quantity.parse(text)
        for reserved in (config.system_reserved, config.kube_reserved):
            if name in reserved:
                left = left - quantity.parse(reserved[name])
        result[name] = str(max(left, zero))
    return result


def allocatable(config: configs.KubeletConfig, total: Mapping[str, str]) -> dict[str, str]:
    """What pods may have: without what is reserved, and what must stay free."""
    result = reservable(config, total)
    if config.simulated:
        return result
    disk = quantity.parse(total.get("ephemeral-storage", "0")).value()
    for name, text in result.items():
        if name == "memory":
            result[name] = f"{(quantity.parse(text).value() - eviction.MEMORY_THRESHOLD) // 1024}Ki"
        elif name == "ephemeral-storage":
            result[name] = str(quantity.parse(text).value() - int(disk * eviction.DISK_THRESHOLD))
    return result


def images(known: Sequence[runtime.Image]) -> list[dict[str, Any]]:
    """The largest images, as a Node lists them."""
    named = [one for one in known if one.repo_tags or one.repo_digests]
    return [
        {"names": [*one.repo_digests, *one.repo_tags], "sizeBytes": one.size}
        for one in sorted(named, key=lambda one: (-one.size, one.id))[:_MAX_IMAGES]
    ]
