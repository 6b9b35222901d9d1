"""What names mean: Services, headless Services, their endpoints and Pods as DNS records.

Pure: a `Zone` is built from plain values and answers questions; nothing here knows packets or watches.

    NAME.NS.svc.DOMAIN                 A     the cluster IP, or every ready endpoint of a headless Service
    HOST.NAME.NS.svc.DOMAIN            A     one endpoint (its hostname, or its address with dashes)
    _PORT._PROTO.NAME.NS.svc.DOMAIN    SRV   a named port
    A-B-C-D.NS.pod.DOMAIN              A     that address, where a Pod could have it
    D.C.B.A.in-addr.arpa               PTR   the Service or endpoint with that address
Upstream: the Kubernetes DNS-based service discovery specification 1.1; CoreDNS plugin/kubernetes.
"""

import dataclasses
import ipaddress
from collections.abc import Iterable, Sequence

TTL = 30
NEGATIVE_TTL = 5
VERSION = "1.1.0"
REVERSE = (".in-addr.arpa", ".ip6.arpa")


@dataclasses.dataclass(frozen=True, slots=True)
class Record:
    """One resource record; `priority`, `weight` and `port` belong to SRV (`port` is the serial of an SOA)."""

    name: str
    type: str
    data: str
    ttl: int = TTL
    priority: int = 0
    weight: int = 0
    port: int = 0


@dataclasses.dataclass(frozen=True, slots=True)
class Answer:
    """Records for a question; `found` is False when the name does not exist at all."""

    records: tuple[Record, ...] = ()
    additional: tuple[Record, ...] = ()
    found: bool = True


NOTHING = Answer()
NO_SUCH_NAME = Answer(found=False)


@dataclasses.dataclass(frozen=True, slots=True)
class Port:
    """A named port of a Service or of an endpoint."""

    name: str
    protocol: str
    number: int


@dataclasses.dataclass(frozen=True, slots=True)
class Endpoint:
    """One address behind a headless Service."""

    address: str
    hostname: str
    ports: tuple[Port, ...]

    @property
    def label(self) -> str:
        """The first label of its own name."""
        return self.hostname or self.address.replace(".", "-").replace(":", "-")


@dataclasses.dataclass(frozen=True, slots=True)
class Service:
    """What DNS must know of a Service; without addresses it is headless, with `external` an alias."""

    namespace: str
    name: str
    addresses: tuple[str, ...]
    ports: tuple[Port, ...]
    external: str = ""
    endpoints: tuple[Endpoint, ...] = ()


class Zone:
    """All Services of the cluster under one domain. Replace a Service with `put`, take it away with `remove`."""

    def __init__(self, domain: str, namespaces: Iterable[str] = ()) -> None:
        self.domain = domain.lower()
        self.generation = 0
        """Counts changes; what was answered under another number may be stale."""
        self._services: dict[tuple[str, str], Service] = {}
        self._reverse: dict[str, set[tuple[str, str]]] = {}
        self._namespaces: set[str] = set(namespaces)

    def put(self, service: Service) -> None:
        """A Service or its endpoints changed."""
        key = (service.namespace, service.name)
        if self._services.get(key) == service:
            return
        self.remove(*key)
        self._services[key] = service
        for address in _addresses(service):
            self._reverse.setdefault(address, set()).add(key)
        self.generation += 1

    def remove(self, namespace: str, name: str) -> None:
        """A Service is gone."""
        old = self._services.pop((namespace, name), None)
        if old is not None:
            # a headless Service may have an address in several pieces, with other ports in each
            for address in {*_addresses(old)}:
                keys = self._reverse[address]
                keys.discard((namespace, name))
                if not keys:
                    del self._reverse[address]
            self.generation += 1

    def set_namespaces(self, names: Iterable[str]) -> None:
        """The namespaces that exist."""
        fresh = set(names)
        if fresh != self._namespaces:
            self._namespaces = fresh
            self.generation += 1

    def owns(self, name: str) -> bool:
        """Whether a name is ours to answer (reverse names only where we know the address)."""
        if name == self.domain or name.endswith(f".{self.domain}"):
            return True
        address = reverse_address(name)
        return address is not None and address in self._reverse

    def soa(self) -> Record:
        """The record that goes with negative answers."""
        return Record(self.domain, "SOA", f"ns.dns.{self.domain}", NEGATIVE_TTL, port=self.generation + 1)

    def answer(self, name: str, kind: str) -> Answer:
        """The records of a name that we own."""
        if name.endswith(REVERSE):
            return self._pointer(name, kind)
        labels = name.removesuffix(self.domain).rstrip(".").split(".") if name != self.domain else []
        match labels:
            case []:
                return Answer((self.soa(),)) if kind == "SOA" else NOTHING
            case ["dns-version"]:
                return Answer((Record(name, "TXT", VERSION),)) if kind == "TXT" else NOTHING
            case [*_, "svc"]:
                return self._service(name, kind, labels[:-1])
            case [*_, "pod"]:
                return self._pod(name, kind, labels[:-1])
        return NO_SUCH_NAME

    def _service(self, name: str, kind: str, labels: list[str]) -> Answer:
        if not labels:
            return NOTHING
        if len(labels) == 1:
            return NOTHING if labels[0] in self._namespaces else NO_SUCH_NAME
        service = self._services.get((labels[-1], labels[-2]))
        if service is None:
            return NO_SUCH_NAME
        match labels[:-2]:
            case []:
                return self._service_itself(name, kind, service)
            case [host]:
                return self._endpoint(name, kind, service, host)
            case [port, protocol] if port.startswith("_") and protocol.startswith("_"):
                return self._ports(name, kind, service, port[1:], protocol[1:])
        return NO_SUCH_NAME

    def _service_itself(self, name: str, kind: str, service: Service) -> Answer:
        if service.external:
            if kind in ("A", "AAAA", "CNAME"):
                return Answer((Record(name, "CNAME", service.external),))
            return NOTHING
        if kind == "SRV":
            return self._ports(name, kind, service, "*", "*")
        addresses = service.addresses or tuple(endpoint.address for endpoint in service.endpoints)
        if not addresses:
            return NO_SUCH_NAME
        return Answer(_address_records(name, kind, addresses))

    def _endpoint(self, name: str, kind: str, service: Service, host: str) -> Answer:
        addresses = tuple(one.address for one in service.endpoints if one.label == host)
        return Answer(_address_records(name, kind, addresses)) if addresses and not service.addresses else NO_SUCH_NAME

    def _ports(self, name: str, kind: str, service: Service, port: str, protocol: str) -> Answer:
        base = f"{service.name}.{service.namespace}.svc.{self.domain}"
        found: list[Record] = []
        extra: list[Record] = []
        if service.addresses:
            wanted = _matching(service.ports, port, protocol)
            found += [Record(name, "SRV", base, port=one.number, weight=_weight(len(wanted))) for one in wanted]
            extra += _addresses_of(base, service.addresses)
        for endpoint in () if service.addresses else service.endpoints:
            target = f"{endpoint.label}.{base}"
            wanted = _matching(endpoint.ports, port, protocol)
            weight = _weight(len(service.endpoints))
            found += [Record(name, "SRV", target, port=one.number, weight=weight) for one in wanted]
            extra += _addresses_of(target, (endpoint.address,)) if wanted else []
        if not found:
            return NO_SUCH_NAME if port != "*" else NOTHING
        return Answer(tuple(found), tuple(extra)) if kind == "SRV" else NOTHING

    def _pod(self, name: str, kind: str, labels: list[str]) -> Answer:
        if not labels:
            return NOTHING
        if labels[-1] not in self._namespaces:
            return NO_SUCH_NAME
        if len(labels) == 1:
            return NOTHING
        dashed = labels[0]
        for candidate in (dashed.replace("-", "."), dashed.replace("-", ":")):
            try:
                address = str(ipaddress.ip_address(candidate))
            except ValueError:
                continue
            return Answer(_address_records(name, kind, (address,))) if len(labels) == 2 else NO_SUCH_NAME
        return NO_SUCH_NAME

    def _pointer(self, name: str, kind: str) -> Answer:
        address = reverse_address(name)
        keys = self._reverse.get(address or "", ())
        if not keys:
            return NO_SUCH_NAME
        if kind != "PTR":
            return NOTHING
        targets: set[str] = set()
        for namespace, short in keys:
            service = self._services[(namespace, short)]
            base = f"{short}.{namespace}.svc.{self.domain}"
            if address in service.addresses:
                targets.add(base)
            targets |= {f"{one.label}.{base}" for one in service.endpoints if one.address == address}
        return Answer(tuple(Record(name, "PTR", target) for target in sorted(targets)))


def _addresses(service: Service) -> Iterable[str]:
    return (*service.addresses, *(endpoint.address for endpoint in service.endpoints))


def _family(address: str) -> str:
    return "AAAA" if ":" in address else "A"


def _address_records(name: str, kind: str, addresses: Sequence[str]) -> tuple[Record, ...]:
    return tuple(Record(name, kind, address) for address in dict.fromkeys(addresses) if _family(address) == kind)


def _addresses_of(name: str, addresses: Sequence[str]) -> list[Record]:
    return [Record(name, _family(address), address) for address in addresses]


def _matching(ports: Sequence[Port], name: str, protocol: str) -> list[Port]:
    return [
        one
        for one in ports
        if (name == "*" or (one.name == name and name)) and (protocol == "*" or one.protocol.lower() == protocol)
    ]


def _weight(count: int) -> int:
    return 100 // max(1, count) or 1


def reverse_address(name: str) -> str | None:
    """The address that an `in-addr.arpa` or `ip6.arpa` name stands for."""
    try:
        if name.endswith(REVERSE[0]):
            return str(ipaddress.IPv4Address(".".join(reversed(name.removesuffix(REVERSE[0]).split(".")))))
        if name.endswith(REVERSE[1]):
            digits = "".join(reversed(name.removesuffix(REVERSE[1]).split(".")))
            return str(ipaddress.IPv6Address(bytes.fromhex(digits)))
    except ValueError:
        return None
    return None
