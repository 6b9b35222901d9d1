"""Services: ports, addresses, families, traffic policies, load balancers.

Upstream: pkg/apis/core/validation (validateService and what it calls). Pure.
"""

from typing import Any

from pybernetes.api.validation import endpoints, formats, labels
from pybernetes.api.validation.formats import Object
from pybernetes.apimachinery import fieldpath

TYPES = ("ClusterIP", "ExternalName", "LoadBalancer", "NodePort")
PROTOCOLS = ("SCTP", "TCP", "UDP")
POLICIES = ("Cluster", "Local")
FAMILIES = ("IPv4", "IPv6")
FAMILY_POLICIES = ("PreferDualStack", "RequireDualStack", "SingleStack")
DISTRIBUTIONS = ("PreferClose", "PreferSameZone", "PreferSameNode")
RANGES = "service.beta.kubernetes.io/load-balancer-source-ranges"
HINTS, MODE = "service.kubernetes.io/topology-aware-hints", "service.kubernetes.io/topology-mode"
ONCE = "may not change once set"
BALANCERS_ONLY = "may only be used when `type` is 'LoadBalancer'"
MOST_AFFINITY = 86400


def service(found: fieldpath.ErrorList, obj: Object, old: Object | None = None) -> None:
    """A Service, new or changed."""
    spec, before = obj["spec"], (old or {}).get("spec") or {}
    annotations = obj["metadata"].get("annotations") or {}
    if {HINTS, MODE} <= annotations.keys() and annotations[HINTS] != annotations[MODE]:
        text = f"must match annotations[{HINTS}] when both are specified"
        found.append(fieldpath.invalid(f"metadata.annotations[{MODE}]", annotations[MODE], text))
    _type_rules(found, spec)
    for index, port in enumerate(spec.get("ports") or ()):
        _port(found, index, port, spec["ports"])
    labels.label_set(found, "spec.selector", spec.get("selector"))
    _affinity(found, spec)
    if spec.get("type") != "ExternalName":
        _addresses(found, spec, before.get("clusterIPs") or [])
    for index, address in enumerate(spec.get("externalIPs") or ()):
        place = f"spec.externalIPs[{index}]"
        messages = () if address in (before.get("externalIPs") or ()) else formats.ip_legacy(address)
        for message in messages:
            found.append(fieldpath.invalid(place, address, message))
        if not messages:
            endpoints.endpoint_ip(found, place, address)
    formats.one_of(found, "spec.type", spec.get("type"), TYPES)
    _ports_together(found, spec)
    _source_ranges(found, spec, before, annotations, (old or {}).get("metadata") or {})
    kind = spec.get("type")
    if kind != "LoadBalancer" and spec.get("allocateLoadBalancerNodePorts") is not None:
        found.append(fieldpath.forbidden("spec.allocateLoadBalancerNodePorts", BALANCERS_ONLY))
    if kind == "LoadBalancer" and spec.get("allocateLoadBalancerNodePorts") is None:
        found.append(fieldpath.required("allocateLoadBalancerNodePorts"))
    _class(found, spec)
    _traffic(found, spec)


def is_headless(spec: Object) -> bool:
    """Whether a Service has no address of its own."""
    return spec.get("clusterIPs") == ["None"]


def _type_rules(found: fieldpath.ErrorList, spec: Object) -> None:
    kind = spec.get("type")
    if not spec.get("ports") and not is_headless(spec) and kind != "ExternalName":
        found.append(fieldpath.required("spec.ports"))
    if kind in ("LoadBalancer", "NodePort") and is_headless(spec):
        text = f"may not be set to 'None' for {kind} services"
        found.append(fieldpath.invalid("spec.clusterIPs[0]", "None", text))
    if kind == "ExternalName":
        for field in ("clusterIPs", "ipFamilies", "ipFamilyPolicy"):
            if spec.get(field):
                found.append(fieldpath.forbidden(f"spec.{field}", "may not be set for ExternalName services"))
        name = (spec.get("externalName") or "").removesuffix(".")
        formats.required_name(found, "spec.externalName", name, formats.dns_subdomain)


def _port(found: fieldpath.ErrorList, index: int, port: Object, every: list[Object]) -> None:
    place, name = f"spec.ports[{index}]", port.get("name") or ""
    if name or len(every) > 1:
        formats.required_name(found, place + ".name", name, formats.dns_label)
        if name and any(other.get("name") == name for other in every[:index]):
            found.append(fieldpath.duplicate(place + ".name", name))
    formats.port_number(found, place + ".port", port.get("port", 0))
    formats.one_of(found, place + ".protocol", port.get("protocol"), PROTOCOLS)
    formats.port_number_or_name(found, place + ".targetPort", port.get("targetPort", 0))
    if port.get("appProtocol") is not None:
        formats.each(found, place + ".appProtocol", port["appProtocol"], formats.qualified_name)


def _affinity(found: fieldpath.ErrorList, spec: Object) -> None:
    kind, config, place = spec.get("sessionAffinity"), spec.get("sessionAffinityConfig"), "spec.sessionAffinityConfig"
    formats.one_of(found, "spec.sessionAffinity", kind, ("ClientIP", "None"))
    if kind == "ClientIP":
        detail = "when session affinity type is ClientIP"
        client = (config or {}).get("clientIP")
        seconds = (client or {}).get("timeoutSeconds")
        if config is None:
            found.append(fieldpath.required(place, detail))
        elif client is None:
            found.append(fieldpath.required(place + ".clientIP", detail))
        elif seconds is None:
            found.append(fieldpath.required(place + ".clientIP.timeoutSeconds", detail))
        elif not 0 < seconds <= MOST_AFFINITY:
            text = f"must be greater than 0 and less than {MOST_AFFINITY}"
            found.append(fieldpath.invalid(place + ".clientIP.timeoutSeconds", seconds, text))
    elif kind == "None" and config is not None:
        found.append(fieldpath.forbidden(place, "must not be set when session affinity is None"))


def _addresses(found: fieldpath.ErrorList, spec: Object, old: list[str]) -> None:
    first, every = spec.get("clusterIP") or "", spec.get("clusterIPs") or []
    place, families = "spec.clusterIPs", spec.get("ipFamilies") or []
    if first and not every:
        found.append(fieldpath.required(place))
    elif first and every[0] != first:
        found.append(fieldpath.invalid(place, every, "first value must match `clusterIP`"))
    elif every and not first:
        found.append(fieldpath.invalid(place, every, "must be empty when `clusterIP` is not specified"))
    for index, family in enumerate(families):
        formats.supported(found, f"spec.ipFamilies[{index}]", family, FAMILIES)
        if family in families[:index]:
            found.append(fieldpath.duplicate(f"spec.ipFamilies[{index}]", family))
    if spec.get("ipFamilyPolicy") is not None:
        formats.supported(found, "spec.ipFamilyPolicy", spec["ipFamilyPolicy"], FAMILY_POLICIES)
    bad = False
    for index, address in enumerate(every):
        if not index and address == "None":
            if len(every) > 1:
                bad = True
                found.append(fieldpath.invalid(place, every, "'None' must be the first and only value"))
            continue
        messages = () if address in old else formats.ip_legacy(address)
        bad = bad or bool(messages)
        for message in messages:
            found.append(fieldpath.invalid(f"{place}[{index}]", address, message))
    if len(every) > 2:
        found.append(fieldpath.invalid(place, every, "may only hold up to 2 values"))
    if bad:
        return
    if len(every) > 1 and len({formats.family(address) for address in every}) != len(every):
        found.append(fieldpath.invalid(place, every, "may specify no more than one IP for each IP family"))
    if is_headless(spec):
        return
    for index, (address, family) in enumerate(zip(every, families, strict=False)):
        if family in FAMILIES and f"IPv{formats.family(address)}" != family:
            text = f"expected an {family} value as indicated by `ipFamilies[{index}]`"
            found.append(fieldpath.invalid(f"{place}[{index}]", address, text))


def _ports_together(found: fieldpath.ErrorList, spec: Object) -> None:
    ports = spec.get("ports") or ()
    if spec.get("type") == "ClusterIP":
        for index, port in enumerate(ports):
            if port.get("nodePort"):
                text = "may not be used when `type` is 'ClusterIP'"
                found.append(fieldpath.forbidden(f"spec.ports[{index}].nodePort", text))
    for index, port in enumerate(ports):
        same = (port.get("protocol"), port.get("nodePort"))
        if port.get("nodePort") and any((one.get("protocol"), one.get("nodePort")) == same for one in ports[:index]):
            found.append(fieldpath.duplicate(f"spec.ports[{index}].nodePort", port["nodePort"]))
    for index, port in enumerate(ports):
        key = (port.get("protocol"), port.get("port"))
        if any((one.get("protocol"), one.get("port")) == key for one in ports[:index]):
            shown = {
                "Name": "",
                "Protocol": key[0],
                "AppProtocol": None,
                "Port": key[1],
                "TargetPort": 0,
                "NodePort": 0,
            }
            found.append(fieldpath.duplicate(f"spec.ports[{index}]", shown))


def _source_ranges(
    found: fieldpath.ErrorList, spec: Object, before: Object, annotations: Any, metadata: Object
) -> None:
    ranges, kind = spec.get("loadBalancerSourceRanges") or (), spec.get("type")
    if ranges:
        place = "spec.LoadBalancerSourceRanges"
        if kind != "LoadBalancer":
            found.append(fieldpath.forbidden(place, BALANCERS_ONLY))
        known = [one.strip() for one in before.get("loadBalancerSourceRanges") or ()]
        for index, one in enumerate(ranges):
            if one.strip() not in known:
                formats.each(found, f"{place}[{index}]", one.strip(), formats.cidr_legacy)
    elif RANGES in annotations:
        place, text = f"metadata.annotations[{RANGES}]", annotations[RANGES].strip()
        if kind != "LoadBalancer":
            found.append(fieldpath.forbidden(place, BALANCERS_ONLY))
        if text and (metadata.get("annotations") or {}).get(RANGES) != annotations[RANGES]:
            for one in text.split(","):
                formats.each(found, place, one.strip(), formats.cidr_legacy)


def _class(found: fieldpath.ErrorList, spec: Object) -> None:
    name = spec.get("loadBalancerClass")
    if name is None:
        return
    if spec.get("type") == "LoadBalancer":
        formats.each(found, "spec.loadBalancerClass", name, formats.qualified_name)
    else:
        found.append(fieldpath.forbidden("spec.loadBalancerClass", BALANCERS_ONLY))


def is_outside(spec: Object) -> bool:
    """Whether a Service can be reached from outside the cluster."""
    kind = spec.get("type")
    return kind in ("LoadBalancer", "NodePort") or (kind == "ClusterIP" and bool(spec.get("externalIPs")))


def needs_health_check(spec: Object) -> bool:
    """Whether load balancers ask the nodes which of them have endpoints."""
    return spec.get("type") == "LoadBalancer" and spec.get("externalTrafficPolicy") == "Local"


def _traffic(found: fieldpath.ErrorList, spec: Object) -> None:
    outside, place = spec.get("externalTrafficPolicy") or "", "spec.externalTrafficPolicy"
    if not is_outside(spec):
        if outside:
            text = "may only be set for externally-accessible services"
            found.append(fieldpath.invalid(place, outside, text))
    else:
        formats.one_of(found, place, outside, POLICIES)
    check, place = spec.get("healthCheckNodePort", 0), "spec.healthCheckNodePort"
    if check and not needs_health_check(spec):
        text = "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'"
        found.append(fieldpath.invalid(place, check, text))
    elif check:
        formats.port_number(found, place, check)
    inside = spec.get("internalTrafficPolicy")
    if inside is None and spec.get("type") in ("NodePort", "LoadBalancer", "ClusterIP"):
        found.append(fieldpath.required("spec.internalTrafficPolicy"))
    elif inside is not None:
        formats.supported(found, "spec.internalTrafficPolicy", inside, POLICIES)
    if spec.get("trafficDistribution") is not None:
        formats.supported(found, "spec.trafficDistribution", spec["trafficDistribution"], DISTRIBUTIONS)


def service_update(found: fieldpath.ErrorList, new: Object, old: Object) -> None:
    """What of a Service may change."""
    spec, before = new["spec"], old["spec"]
    if "ExternalName" not in (spec.get("type"), before.get("type")):
        if not (is_headless(spec) and is_headless(before)):
            _kept(found, spec, before, "clusterIPs", "clusterIP")
        if not is_headless(spec) and not is_headless(before):
            _kept(found, spec, before, "ipFamilies", "ipFamily")
    both = spec.get("type") == before.get("type") == "LoadBalancer"
    if both and spec.get("loadBalancerClass") != before.get("loadBalancerClass"):
        found.append(fieldpath.invalid("spec.loadBalancerClass", spec.get("loadBalancerClass"), ONCE))
    _class(found, spec)
    if needs_health_check(spec) and needs_health_check(before):
        if spec.get("healthCheckNodePort") != before.get("healthCheckNodePort"):
            found.append(fieldpath.forbidden("spec.healthCheckNodePort", formats.IMMUTABLE))
    service(found, new, old)


def _kept(found: fieldpath.ErrorList, spec: Object, before: Object, field: str, one: str) -> None:
    """The first of a list stays; a second may come and go with the policy."""
    place, new, old = f"spec.{field}", spec.get(field) or [], before.get(field) or []
    addresses = spec.get("clusterIPs") or []
    if len(new) == len(old):
        for index in range(len(old)):
            if new[index] != old[index]:
                at = index if field == "clusterIPs" else 0
                found.append(fieldpath.invalid(f"{place}[{at}]", new, ONCE))
        return
    if len(old) > len(new):
        if not addresses:
            text = f"primary {one} can not be unset"
            found.append(fieldpath.invalid(place + "[0]", new or None, text))
    if old and new and new[0] != old[0]:
        found.append(fieldpath.invalid(place + "[0]", addresses, ONCE))
    if len(old) > len(new) == 1 and spec.get("ipFamilyPolicy") != "SingleStack":
        text = f"must be set to 'SingleStack' when releasing the secondary {one}"
        found.append(fieldpath.invalid("spec.ipFamilyPolicy", spec.get("ipFamilyPolicy"), text))


def service_status_update(found: fieldpath.ErrorList, new: Object, old: Object) -> None:
    """Where load balancers listen for it."""
    place = "status.loadBalancer.ingress"
    ingress = ((new.get("status") or {}).get("loadBalancer") or {}).get("ingress") or ()
    if ingress and new["spec"].get("type") != "LoadBalancer":
        found.append(fieldpath.forbidden(place, "may only be used when `spec.type` is 'LoadBalancer'"))
        return
    before = ((old.get("status") or {}).get("loadBalancer") or {}).get("ingress") or ()
    load_balancer(found, place, ingress, [one.get("ip") for one in before])


def load_balancer(found: fieldpath.ErrorList, place: str, ingress: Any, known: list[Any]) -> None:
    """Points of entry: addresses or names."""
    for index, one in enumerate(ingress):
        where, address, mode = f"{place}[{index}]", one.get("ip") or "", one.get("ipMode")
        if address and address not in known:
            formats.each(found, where + ".ip", address, formats.ip_legacy)
        if mode is None and address:
            found.append(fieldpath.required(where + ".ipMode", "must be specified when `ip` is set"))
        elif mode is not None and not address:
            found.append(fieldpath.forbidden(where + ".ipMode", "may not be specified when `ip` is not set"))
        elif mode is not None:
            formats.supported(found, where + ".ipMode", mode, ("Proxy", "VIP"))
        name = one.get("hostname")
        if name:
            formats.each(found, where + ".hostname", name, formats.dns_subdomain)
            if formats.family(name):
                text = "must be a DNS name, not an IP address"
                found.append(fieldpath.invalid(where + ".hostname", name, text))
