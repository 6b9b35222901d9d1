"""Ingresses, their classes, network policies, addresses and service ranges.

Upstream: pkg/apis/networking/validation. Pure.
"""

import ipaddress
from collections.abc import Sequence

from pybernetes.api.validation import formats, labels
from pybernetes.api.validation.formats import Object
from pybernetes.apimachinery import fieldpath, names

PROTOCOLS = ("TCP", "UDP", "SCTP")
POLICY_TYPES = ("Ingress", "Egress")
PATH_TYPES = ("Exact", "ImplementationSpecific", "Prefix")
BAD_SEQUENCES = ("//", "/./", "/../", "%2f", "%2F")
BAD_ENDINGS = ("/..", "/.")
CLASS_ANNOTATION = "kubernetes.io/ingress.class"
LONGEST_CONTROLLER = 250


def network_policy(found: fieldpath.ErrorList, obj: Object, known: Sequence[str] = ()) -> None:
    """A NetworkPolicy; `known` are ranges that an older state has already."""
    spec = obj.get("spec") or {}
    labels.selector(found, "spec.podSelector", spec.get("podSelector"))
    for side, peers in (("ingress", "from"), ("egress", "to")):
        for index, rule in enumerate(spec.get(side) or ()):
            place = f"spec.{side}[{index}]"
            for at, port in enumerate(rule.get("ports") or ()):
                _policy_port(found, f"{place}.ports[{at}]", port)
            for at, peer in enumerate(rule.get(peers) or ()):
                _peer(found, f"{place}.{peers}[{at}]", peer, known)
    types = spec.get("policyTypes") or ()
    if len(types) > len(POLICY_TYPES):
        found.append(fieldpath.invalid("spec.policyTypes", types, "may not specify more than two policyTypes"))
        return
    for index, kind in enumerate(types):
        formats.supported(found, f"spec.policyTypes[{index}]", kind, POLICY_TYPES)


def network_policy_update(found: fieldpath.ErrorList, new: Object, old: Object) -> None:
    """A change of one."""
    known: list[str] = []
    spec = old.get("spec") or {}
    for side, peers in (("ingress", "from"), ("egress", "to")):
        for rule in spec.get(side) or ():
            blocks = [peer["ipBlock"] for peer in rule.get(peers) or () if peer.get("ipBlock") is not None]
            known += (one for block in blocks for one in (block.get("cidr") or "", *(block.get("except") or ())))
    network_policy(found, new, known)


def _policy_port(found: fieldpath.ErrorList, where: str, given: Object) -> None:
    port, end = given.get("port"), given.get("endPort")
    if given.get("protocol") is not None:
        formats.supported(found, where + ".protocol", given["protocol"], PROTOCOLS)
    place = where + ".endPort"
    if port is None:
        if end is not None:
            found.append(fieldpath.invalid(place, end, "may not be specified when `port` is not specified"))
    elif isinstance(port, str):
        if end is not None:
            found.append(fieldpath.invalid(place, end, "may not be specified when `port` is non-numeric"))
        formats.each(found, where + ".port", port, formats.port_name)
    else:
        formats.port_number(found, where + ".port", port)
        if end is not None:
            if end < port:
                found.append(fieldpath.invalid(place, end, "must be greater than or equal to `port`"))
            formats.port_number(found, place, end)


def _peer(found: fieldpath.ErrorList, where: str, given: Object, known: Sequence[str]) -> None:
    kinds = [kind for kind in ("podSelector", "namespaceSelector", "ipBlock") if given.get(kind) is not None]
    for kind in kinds:
        if kind == "ipBlock":
            _block(found, where + ".ipBlock", given[kind], known)
        else:
            labels.selector(found, f"{where}.{kind}", given[kind])
    if not kinds:
        found.append(fieldpath.required(where, "must specify a peer"))
    elif len(kinds) > 1 and "ipBlock" in kinds:
        found.append(fieldpath.forbidden(where, "may not specify both ipBlock and another peer"))


def _block(found: fieldpath.ErrorList, where: str, given: Object, known: Sequence[str]) -> None:
    cidr = given.get("cidr") or ""
    if not cidr:
        found.append(fieldpath.required(where + ".cidr"))
        return
    if cidr not in known:
        formats.each(found, where + ".cidr", cidr, formats.cidr_legacy)
    if formats.NO_CIDR in formats.cidr_legacy(cidr):
        return
    for index, part in enumerate(given.get("except") or ()):
        place, messages = f"{where}.except[{index}]", formats.cidr_legacy(part)
        if part not in known:
            formats.each(found, place, part, formats.cidr_legacy)
        if not messages and not formats.cidr_legacy(cidr) and not _inside(part, cidr):
            found.append(fieldpath.invalid(place, part, "must be a strict subset of `cidr`"))


def _inside(part: str, whole: str) -> bool:
    inner, outer = ipaddress.ip_network(part), ipaddress.ip_network(whole)
    if inner.version != outer.version or inner.prefixlen <= outer.prefixlen:
        return False
    return inner.network_address in outer


def ingress(found: fieldpath.ErrorList, obj: Object, *, new: bool = True) -> None:
    """An Ingress."""
    spec = obj.get("spec") or {}
    rules, backend = spec.get("rules") or (), spec.get("defaultBackend")
    if not rules and backend is None:
        text = "either `defaultBackend` or `rules` must be specified"
        found.append(fieldpath.invalid("spec", None, text))
    if backend is not None:
        _backend(found, "spec.defaultBackend", backend)
    for index, rule in enumerate(rules):
        _rule(found, f"spec.rules[{index}]", rule)
    for index, part in enumerate(spec.get("tls") or ()):
        place = f"spec.tls[{index}]"
        for at, host in enumerate(part.get("hosts") or ()):
            check = formats.wildcard_subdomain if "*" in host else formats.dns_subdomain
            formats.each(found, f"{place}.hosts[{at}]", host, check)
        if part.get("secretName"):
            formats.each(found, place + ".secretName", part["secretName"], formats.dns_subdomain)
    name = spec.get("ingressClassName")
    if name is not None:
        formats.each(found, "spec.ingressClassName", name, formats.dns_subdomain)
    noted = (obj["metadata"].get("annotations") or {}).get(CLASS_ANNOTATION)
    if new and noted is not None and name is not None and noted != name:
        text = "must match `ingressClassName` when both are specified"
        found.append(fieldpath.invalid(f"annotations.{CLASS_ANNOTATION}", noted, text))


def ingress_update(found: fieldpath.ErrorList, new: Object, old: Object) -> None:
    """A change of one."""
    ingress(found, new, new=False)


def ingress_status_update(found: fieldpath.ErrorList, new: Object, old: Object) -> None:
    """Where its load balancer listens."""
    balancers = [((one.get("status") or {}).get("loadBalancer") or {}).get("ingress") or () for one in (new, old)]
    known = [one.get("ip") for one in balancers[1]]
    for index, one in enumerate(balancers[0]):
        place, address, host = f"status.loadBalancer.ingress[{index}]", one.get("ip"), one.get("hostname")
        if address and address not in known:
            formats.each(found, place + ".ip", address, formats.ip_legacy)
        if host:
            formats.each(found, place + ".hostname", host, formats.dns_subdomain)
            if formats.family(host):
                text = "must be a DNS name, not an IP address"
                found.append(fieldpath.invalid(place + ".hostname", host, text))


def _rule(found: fieldpath.ErrorList, where: str, given: Object) -> None:
    host = given.get("host") or ""
    if host and formats.family(host):
        found.append(fieldpath.invalid(where + ".host", host, "must be a DNS name, not an IP address"))
    if host:
        check = formats.wildcard_subdomain if "*" in host else formats.dns_subdomain
        formats.each(found, where + ".host", host, check)
    http = given.get("http")
    if http is None:
        return
    paths = http.get("paths")
    if not paths:
        found.append(fieldpath.required(where + ".http.paths"))
    for index, path in enumerate(paths or ()):
        _path(found, f"{where}.http.paths[{index}]", path)


def _path(found: fieldpath.ErrorList, where: str, given: Object) -> None:
    kind, path, place = given.get("pathType"), given.get("path") or "", where + ".path"
    if kind is None:
        found.append(fieldpath.required(where + ".pathType", "pathType must be specified"))
        return
    if kind in ("Exact", "Prefix"):
        if not path.startswith("/"):
            found.append(fieldpath.invalid(place, path, "must be an absolute path"))
        for sequence in BAD_SEQUENCES:
            if sequence in path:
                found.append(fieldpath.invalid(place, path, f"must not contain '{sequence}'"))
        for ending in BAD_ENDINGS:
            if path.endswith(ending):
                found.append(fieldpath.invalid(place, path, f"cannot end with '{ending}'"))
    elif kind == "ImplementationSpecific":
        if path and not path.startswith("/"):
            found.append(fieldpath.invalid(place, path, "must be an absolute path"))
    else:
        found.append(fieldpath.not_supported(where + ".pathType", kind, PATH_TYPES))
    _backend(found, where + ".backend", given.get("backend") or {})


def _backend(found: fieldpath.ErrorList, where: str, given: Object) -> None:
    resource, service = given.get("resource"), given.get("service")
    if resource is not None and service is not None:
        found.append(fieldpath.invalid(where, "", "cannot set both resource and service backends"))
    elif resource is not None:
        reference(found, where + ".resource", resource)
    elif service is None:
        found.append(fieldpath.invalid(where, "", "resource or service backend is required"))
    else:
        formats.required_name(found, where + ".service.name", service.get("name"), formats.dns_label)
        port = service.get("port") or {}
        name, number = port.get("name"), port.get("number")
        if name and number:
            found.append(fieldpath.invalid(where, "", "cannot set both port name & port number"))
        elif name:
            formats.each(found, where + ".service.port.name", name, formats.port_name)
        elif number:
            formats.port_number(found, where + ".service.port.number", number)
        else:
            found.append(fieldpath.required(where, "port name or number is required"))


def reference(found: fieldpath.ErrorList, where: str, given: Object) -> None:
    """Another object by group, kind and name."""
    if given.get("apiGroup") is not None:
        formats.each(found, where + ".apiGroup", given["apiGroup"], formats.dns_subdomain)
    for field in ("kind", "name"):
        formats.required_name(found, f"{where}.{field}", given.get(field), formats.path_segment)


def ingress_class(found: fieldpath.ErrorList, obj: Object) -> None:
    """An IngressClass."""
    spec = obj.get("spec") or {}
    controller, parameters = spec.get("controller") or "", spec.get("parameters")
    if len(controller) > LONGEST_CONTROLLER:
        found.append(fieldpath.too_long("spec.controller", "", LONGEST_CONTROLLER))
    domain_path(found, "spec.controller", controller)
    if parameters is not None:
        _parameters(found, "spec.parameters", parameters)


def domain_path(found: fieldpath.ErrorList, where: str, given: str) -> None:
    """`example.com/some/thing`."""
    domain, _, path = given.partition("/")
    if not given:
        found.append(fieldpath.required(where))
    elif not domain or not path:
        text = 'must be a domain-prefixed path (such as "acme.io/foo")'
        found.append(fieldpath.invalid(where, given, text))
    else:
        formats.each(found, where, domain, formats.dns_subdomain)
        found += (fieldpath.invalid(where, path, message) for message in names.is_http_path(path))


def _parameters(found: fieldpath.ErrorList, where: str, given: Object) -> None:
    reference(found, where, given)
    scope, namespace = given.get("scope"), given.get("namespace")
    if scope is None:
        found.append(fieldpath.required(where + ".scope"))
    elif scope not in ("Cluster", "Namespace"):
        found.append(fieldpath.not_supported(where + ".scope", scope, ("Cluster", "Namespace")))
    elif scope == "Namespace" and namespace is None:
        text = "`parameters.scope` is set to 'Namespace'"
        found.append(fieldpath.required(where + ".namespace", text))
    elif scope == "Namespace":
        formats.each(found, where + ".namespace", str(namespace), formats.dns_label)
    elif namespace is not None:
        found.append(fieldpath.forbidden(where + ".namespace", "`parameters.scope` is set to 'Cluster'"))


def ingress_class_update(found: fieldpath.ErrorList, new: Object, old: Object) -> None:
    """A change: never of the controller."""
    controllers = [(one.get("spec") or {}).get("controller") or "" for one in (new, old)]
    formats.immutable(found, "spec.controller", *controllers)
    ingress_class(found, new)


def ip_address(found: fieldpath.ErrorList, obj: Object) -> None:
    """An IPAddress and whom it belongs to."""
    parent = (obj.get("spec") or {}).get("parentRef")
    if parent is None:
        found.append(fieldpath.required("spec.parentRef"))
        return
    if parent.get("group"):
        formats.each(found, "spec.parentRef.group", parent["group"], formats.dns_subdomain)
    formats.required_name(found, "spec.parentRef.resource", parent.get("resource"), formats.path_segment)
    if parent.get("namespace"):
        formats.each(found, "spec.parentRef.namespace", parent["namespace"], formats.path_segment)
    formats.required_name(found, "spec.parentRef.name", parent.get("name"), formats.path_segment)


def ip_address_update(found: fieldpath.ErrorList, new: Object, old: Object) -> None:
    """An address stays whose it is."""
    parents = [(one.get("spec") or {}).get("parentRef") for one in (new, old)]
    if parents[0] != parents[1]:
        found.append(fieldpath.invalid("spec.parentRef", None, formats.IMMUTABLE))


def service_cidr(found: fieldpath.ErrorList, obj: Object) -> None:
    """Ranges of service addresses."""
    ranges, place = (obj.get("spec") or {}).get("cidrs") or [], "spec.cidrs"
    if not ranges:
        found.append(fieldpath.required(place, "at least one CIDR required"))
        return
    if len(ranges) > 2:
        found.append(fieldpath.invalid(place, {"CIDRs": ranges}, "may only hold up to 2 values"))
        return
    for index, one in enumerate(ranges):
        formats.each(found, f"{place}[{index}]", one, formats.cidr)
    families = [formats.family(one.partition("/")[0]) for one in ranges]
    if len(families) == 2 and families[0] == families[1] != 0:
        text = "may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/64"
        found.append(fieldpath.invalid(place, ranges, text))


def service_cidr_update(found: fieldpath.ErrorList, new: Object, old: Object) -> None:
    """A second family may come; what is there stays."""
    now, before = ((one.get("spec") or {}).get("cidrs") or [] for one in (new, old))
    if len(now) == len(before):
        for index, (one, was) in enumerate(zip(now, before, strict=True)):
            formats.immutable(found, f"spec.cidrs[{index}]", one, was)
    elif (len(before), len(now)) == (1, 2):
        formats.immutable(found, "spec.cidrs[0]", now[0], before[0])
        service_cidr(found, new)
    else:
        found.append(fieldpath.invalid("spec.cidrs", now, formats.IMMUTABLE))
