"""Which Pods stand behind a Service, and which Services a change of a Pod concerns: for slices and for Endpoints alike.

Upstream: k8s.io/endpointslice/util. Pure.
"""

import dataclasses
import datetime
from collections.abc import Iterable, Mapping

from pybernetes.api.types import core, meta
from pybernetes.apimachinery import labels, timestamps
from pybernetes.controllers import pod_control


def selected_services(services: Iterable[core.Service], pod_labels: Mapping[str, str]) -> set[str]:
    """Keys of the Services whose selector matches these labels."""
    return {
        meta.key(service)
        for service in services
        if service.spec.selector and labels.from_set(service.spec.selector).matches(pod_labels)
    }


def affected_services(services: Iterable[core.Service], old: core.Pod, new: core.Pod) -> set[str]:
    """Keys of the Services whose endpoints a change of a Pod (of their namespace) may change."""
    changed = _endpoint_changed(old, new)
    moved = old.metadata.labels != new.metadata.labels or (old.spec.hostname, old.spec.subdomain) != (
        new.spec.hostname,
        new.spec.subdomain,
    )
    if not changed and not moved:
        return set()
    known = [*services]
    after = selected_services(known, new.metadata.labels)
    if not moved:
        return after
    before = selected_services(known, old.metadata.labels)
    return before | after if changed else before ^ after


def _endpoint_changed(old: core.Pod, new: core.Pod) -> bool:
    return (
        old.metadata.deletionTimestamp != new.metadata.deletionTimestamp
        or pod_control.is_ready(old) != pod_control.is_ready(new)
        or old.status.podIPs != new.status.podIPs
        or is_terminal(old) != is_terminal(new)
    )


def is_terminal(pod: core.Pod) -> bool:
    """Whether the Pod has ended for good."""
    return pod.status.phase in ("Succeeded", "Failed")


def belongs_in_endpoints(pod: core.Pod, *, include_terminating: bool) -> bool:
    """Whether the Pod has an address that clients may be told."""
    if is_terminal(pod) or not (pod.status.podIP or pod.status.podIPs):
        return False
    return include_terminating or pod.metadata.deletionTimestamp is None


def hostname(pod: core.Pod, service: core.Service) -> str | None:
    """The name of the Pod under the Service's, if it has one there."""
    same = pod.spec.subdomain == service.metadata.name and pod.metadata.namespace == service.metadata.namespace
    return pod.spec.hostname if pod.spec.hostname and same else None


def find_port(pod: core.Pod, port: core.ServicePort) -> int | None:
    """The number that the Service port has in this Pod; named ports may differ from Pod to Pod."""
    if isinstance(port.targetPort, int):
        return port.targetPort
    sidecars = [one for one in pod.spec.initContainers if one.restartPolicy == "Always"]
    for container in (*pod.spec.containers, *sidecars):
        for candidate in container.ports:
            if candidate.name == port.targetPort and (candidate.protocol or "TCP") == (port.protocol or "TCP"):
                return candidate.containerPort
    return None


def service_ip_set(service: core.Service) -> bool:
    """Whether the Service has an address of its own (is not headless)."""
    return service.spec.clusterIP not in ("", "None")


@dataclasses.dataclass(slots=True)
class _Seen:
    service: str
    pods: dict[str, str]


class TriggerTimes:
    """When the change happened that the next write of a Service's endpoints answers: for latency metrics of proxies."""

    def __init__(self) -> None:
        self._seen: dict[str, _Seen] = {}

    def compute(self, service: core.Service, pods: Iterable[core.Pod]) -> str:
        """The annotation's value; "" where nothing that changed has a time."""
        key = meta.key(service)
        known = self._seen.get(key)
        times = {pod.metadata.name: at for pod in pods if (at := _ready_transition(pod))}
        created = service.metadata.creationTimestamp
        self._seen[key] = _Seen(created, times)
        if known is None:
            return created
        changed = [at for name, at in times.items() if at > known.pods.get(name, "")]
        if created > known.service:
            changed.append(created)
        return min(changed, default="")

    def forget(self, key: str) -> None:
        """The Service is gone."""
        self._seen.pop(key, None)


def _ready_transition(pod: core.Pod) -> str:
    condition = pod_control.pod_condition(pod, "Ready")
    if condition is None or not condition.lastTransitionTime:
        return ""
    return timestamps.format_time(timestamps.parse(condition.lastTransitionTime).astimezone(datetime.UTC))
