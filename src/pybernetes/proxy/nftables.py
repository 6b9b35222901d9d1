"""The kernel's table of one node: how the rules of Services are written in nftables, and what changes from one state
to the next.

Base chains and dispatch are fixed. Each Service port adds chains of its own and elements to shared maps that are keyed
by address, protocol and port, so the work for a packet does not grow with the number of Services, and a change touches
only what belongs to that Service. `Table` keeps what the kernel holds, gives the text of one transaction for each
change, and knows nothing of the kernel itself.

    nat-prerouting, nat-output -> services -> @service-ips, @service-nodeports -> service/... | external/... | local/...
    filter-{input,forward,output} -> @no-endpoint-services, @no-endpoint-nodeports; cluster-ips-check
    nat-postrouting -> masquerading: marked packets that were redirected, and endpoints that reached themselves

Nothing is masqueraded that was not redirected by this table, and marked packets only towards the cluster's own
addresses: the proxy never lends the machine's address to traffic that leaves for the outside.

Path: 17 Service traffic finds the Pod. Upstream: pkg/proxy/nftables. Pure.
"""

import ipaddress
import itertools
from collections.abc import Iterable, Iterator, Mapping

import msgspec

from pybernetes.proxy.ruleset import Ruleset, ServicePort, ServiceRules, Target

CLUSTER_IPS = "cluster-ips"
SERVICE_IPS = "service-ips"
SERVICE_NODEPORTS = "service-nodeports"
NO_ENDPOINT_SERVICES = "no-endpoint-services"
NO_ENDPOINT_NODEPORTS = "no-endpoint-nodeports"
FIREWALL_IPS = "firewall-ips"
HAIRPIN = "hairpin-connections"
REJECT = "goto reject-chain"
DROP = "drop"

_FRONTEND = "ipv4_addr . inet_proto . inet_service"
_CONTAINERS = {
    CLUSTER_IPS: ("set", "ipv4_addr"),
    HAIRPIN: ("set", f"ipv4_addr . {_FRONTEND}"),
    SERVICE_IPS: ("map", f"{_FRONTEND} : verdict"),
    SERVICE_NODEPORTS: ("map", "inet_proto . inet_service : verdict"),
    NO_ENDPOINT_SERVICES: ("map", f"{_FRONTEND} : verdict"),
    NO_ENDPOINT_NODEPORTS: ("map", "inet_proto . inet_service : verdict"),
    FIREWALL_IPS: ("map", f"{_FRONTEND} : verdict"),
}

Element = tuple[str, str]
"""The name of a set or map, and a key in it."""


class TableSettings(msgspec.Struct, frozen=True):
    """What the fixed part depends on.

    `cluster_cidr` are the Pods of all nodes ("" when unknown: then nothing counts as coming from a Pod), `local_cidr`
    those of this node where it is known: only what comes from them is spared masquerading.
    `node_port_addresses` are where node ports answer.
    """

    name: str
    cluster_cidr: str = ""
    local_cidr: str = ""
    node_port_addresses: tuple[str, ...] = ()
    node_addresses: tuple[str, ...] = ()
    service_cidrs: tuple[str, ...] = ()
    masquerade_bit: int = 14

    @property
    def pods(self) -> str:
        """What counts as traffic of this node's Pods."""
        return self.local_cidr or self.cluster_cidr

    @property
    def mark(self) -> str:
        """The bit of the packet mark that asks for masquerading."""
        return f"{1 << self.masquerade_bit:#010x}"

    @property
    def set_mark(self) -> str:
        """The statement that asks for it."""
        return f"meta mark set meta mark | {self.mark}"


class Fragment(msgspec.Struct):
    """What one Service adds to the table: chains with their rules, affinity sets with their seconds, elements."""

    chains: dict[str, tuple[str, ...]] = {}
    affinity: dict[str, int] = {}
    elements: dict[Element, str] = {}


# one Service


def fragment(rules: ServiceRules, settings: TableSettings) -> Fragment:
    """The share of one Service."""
    result = Fragment()
    for port in rules.ports:
        _Writer(port, settings, result).write()
    return result


class _Writer:
    """Writes one port of a Service into the fragment."""

    def __init__(self, port: ServicePort, settings: TableSettings, result: Fragment) -> None:
        self._port = port
        self._settings = settings
        self._result = result
        self._id = f"{port.namespace}/{port.service}/{port.protocol}/{port.name}"

    def write(self) -> None:
        port = self._port
        internal, internal_chain = port.has_endpoints, f"service/{self._id}"
        external, external_policy = port.has_endpoints, f"service/{self._id}"
        if port.internal_local:
            internal, internal_chain = bool(port.local), f"local/{self._id}"
        if port.external_local:
            external, external_policy = bool(port.local), f"local/{self._id}"
        # Nobody anywhere: say so at once. Somebody, but not on this node where only this node counts: another node
        # answers, so be silent.
        refusal = DROP if port.has_endpoints else REJECT
        self._result.elements[CLUSTER_IPS, port.cluster_address] = ""
        if internal:
            self._frontend(SERVICE_IPS, port.cluster_address, f"goto {internal_chain}")
        else:
            self._frontend(NO_ENDPOINT_SERVICES, port.cluster_address, refusal)
        if port.externally_accessible:
            self._external(external, external_policy, refusal)
        self._endpoint_chains()
        for target in port.reachable:
            if target.local:
                key = f"{target.address} . {target.address} . {port.protocol} . {target.port}"
                self._result.elements[HAIRPIN, key] = ""

    def _frontend(self, container: str, address: str, verdict: str) -> None:
        self._result.elements[container, f"{address} . {self._port.protocol} . {self._port.port}"] = verdict

    # traffic for node ports, external addresses and load balancers

    def _external(self, usable: bool, policy_chain: str, refusal: str) -> None:
        port = self._port
        if port.has_endpoints:
            self._result.chains[f"external/{self._id}"] = tuple(self._external_rules(usable, policy_chain))
        goto = f"goto external/{self._id}"
        for address in (*port.external_addresses, *port.balancer_addresses):
            if port.has_endpoints:
                self._frontend(SERVICE_IPS, address, goto)
            if not usable:
                self._frontend(NO_ENDPOINT_SERVICES, address, refusal)
        if port.node_port:
            key = f"{port.protocol} . {port.node_port}"
            if port.has_endpoints:
                self._result.elements[SERVICE_NODEPORTS, key] = goto
            if not usable:
                self._result.elements[NO_ENDPOINT_NODEPORTS, key] = refusal
        if port.source_ranges and port.balancer_addresses:
            allowed = ", ".join(port.source_ranges)
            self._result.chains[f"firewall/{self._id}"] = (f"ip saddr != {{ {allowed} }} drop",)
            for address in port.balancer_addresses:
                self._frontend(FIREWALL_IPS, address, f"goto firewall/{self._id}")

    def _external_rules(self, usable: bool, policy_chain: str) -> Iterator[str]:
        if not self._port.external_local:
            # The chosen endpoint may be on another node, and its answer must come back through this one.
            yield self._settings.set_mark
        elif self._port.cluster:
            # What starts on this node is as if it had gone out to a load balancer and come back: any endpoint will do.
            cluster = f"goto service/{self._id}"
            if self._settings.pods:
                yield f"ip saddr {self._settings.pods} {cluster}"
            yield f"fib saddr type local {self._settings.set_mark}"
            yield f"fib saddr type local {cluster}"
        if usable:
            yield f"goto {policy_chain}"

    # choosing an endpoint

    def _endpoint_chains(self) -> None:
        port = self._port
        choose = self._sticky if port.affinity_seconds else self._random
        if port.cluster:
            self._result.chains[f"service/{self._id}"] = tuple(choose(port.cluster))
        if port.local:
            self._result.chains[f"local/{self._id}"] = tuple(choose(port.local))
        if port.affinity_seconds:
            for target in port.reachable:
                self._result.affinity[self._affinity_set(target)] = port.affinity_seconds
                self._result.chains[self._endpoint_chain(target)] = (
                    f"update @{self._affinity_set(target)} {{ ip saddr }}",
                    f"meta l4proto {port.protocol} dnat to {target.address}:{target.port}",
                )

    def _random(self, targets: tuple[Target, ...]) -> Iterator[str]:
        start = f"meta l4proto {self._port.protocol} dnat"
        if len(targets) == 1:
            yield f"{start} to {targets[0].address}:{targets[0].port}"
        else:
            choices = ", ".join(f"{index} : {one.address} . {one.port}" for index, one in enumerate(targets))
            yield f"{start} ip addr . port to numgen random mod {len(targets)} map {{ {choices} }}"

    def _sticky(self, targets: tuple[Target, ...]) -> Iterator[str]:
        for target in targets:
            yield f"ip saddr @{self._affinity_set(target)} goto {self._endpoint_chain(target)}"
        choices = ", ".join(f"{index} : goto {self._endpoint_chain(one)}" for index, one in enumerate(targets))
        yield f"numgen random mod {len(targets)} vmap {{ {choices} }}"

    def _endpoint_chain(self, target: Target) -> str:
        return f"endpoint/{self._id}/{target.address}/{target.port}"

    def _affinity_set(self, target: Target) -> str:
        # The timeout is part of the name: the kernel cannot change the one of an existing set.
        return f"affinity/{self._id}/{target.address}/{target.port}/{self._port.affinity_seconds}"


# the fixed part


def base_chains(settings: TableSettings) -> dict[str, tuple[str, ...]]:
    """Base chains and what they jump to: each chain's header (if any) and rules."""
    lookup = "ip daddr . meta l4proto . th dport vmap"
    node_lookup = "meta l4proto . th dport vmap"
    new = "ct state new"
    chains: dict[str, tuple[str, ...]] = {
        # ICMP answers are rate-limited by the kernel, so that a client's seventh attempt within a second would hang
        "reject-chain": ("meta l4proto tcp reject with tcp reset", "reject"),
        "firewall-check": (f"{lookup} @{FIREWALL_IPS}",),
        "service-endpoints-check": (f"{lookup} @{NO_ENDPOINT_SERVICES}",),
        "nodeport-endpoints-check": (f"ip daddr @nodeport-ips {node_lookup} @{NO_ENDPOINT_NODEPORTS}",),
        "cluster-ips-check": (f"ip daddr @{CLUSTER_IPS} {REJECT}",),
        "masquerading": tuple(_masquerading(settings)),
        "services": (f"{lookup} @{SERVICE_IPS}", f"ip daddr @nodeport-ips {node_lookup} @{SERVICE_NODEPORTS}"),
    }
    if settings.pods:
        outside = f"ip daddr @{CLUSTER_IPS} ip saddr != {settings.pods} {settings.set_mark}"
        chains["services"] = (outside, *chains["services"])
    if settings.service_cidrs:
        drop = f"ip daddr {{ {', '.join(settings.service_cidrs)} }} drop"
        chains["cluster-ips-check"] = (*chains["cluster-ips-check"], drop)
    endpoints, unknown = f"{new} jump service-endpoints-check", f"{new} jump cluster-ips-check"
    for name, hook, rules in (
        ("filter-prerouting-pre-dnat", "filter hook prerouting priority -110", (f"{new} jump firewall-check",)),
        ("filter-output-pre-dnat", "filter hook output priority -110", (f"{new} jump firewall-check",)),
        ("filter-input", "filter hook input priority 0", (f"{new} jump nodeport-endpoints-check", endpoints)),
        ("filter-forward", "filter hook forward priority 0", (endpoints, unknown)),
        ("filter-output", "filter hook output priority 0", (endpoints, unknown)),
        ("nat-prerouting", "nat hook prerouting priority -100", ("jump services",)),
        ("nat-output", "nat hook output priority -100", ("jump services",)),
        ("nat-postrouting", "nat hook postrouting priority 100", ("jump masquerading",)),
    ):
        chains[name] = (f"type {hook}; policy accept;", *rules)
    return chains


def _masquerading(settings: TableSettings) -> Iterator[str]:
    inside = ""
    if settings.cluster_cidr:
        inside = f" ip daddr {{ {', '.join(_outermost((settings.cluster_cidr, *settings.node_addresses)))} }}"
    mark = settings.mark
    yield (f"ct status dnat meta mark & {mark} != 0{inside} meta mark set meta mark ^ {mark} masquerade fully-random")
    pair = "ip saddr . ip daddr . meta l4proto . th dport"
    yield f"ct status dnat {pair} @{HAIRPIN} masquerade fully-random"


def _outermost(networks: Iterable[str]) -> list[str]:
    """The networks without those inside another: an anonymous set must not overlap."""
    return [str(one) for one in ipaddress.collapse_addresses(ipaddress.IPv4Network(one) for one in networks)]


# the whole table


class Table:
    """The table as the kernel has it once every text handed out was applied.

    When one fails, what the kernel holds is no longer known: go on with `full`.
    """

    def __init__(self, settings: TableSettings) -> None:
        self.settings = settings
        # chains that nothing leads to any more, already empty: of late, and since before the last sweep
        self._stale: set[str] = set()
        self._aged: set[str] = set()
        self._fragments: dict[str, Fragment] = {}
        self._claims: dict[Element, dict[str, str]] = {}

    def full(self, rules: Ruleset) -> str:
        """One transaction that puts exactly these rules in place of whatever is there."""
        self._stale.clear()
        self._aged.clear()
        self._claims.clear()
        self._fragments = {key: fragment(one, self.settings) for key, one in rules.items() if one.ports}
        for key, one in self._fragments.items():
            self._claim(key, one)
        return "\n".join(self._whole()) + "\n"

    def change(self, changes: Mapping[str, ServiceRules]) -> str:
        """One transaction that brings these Services to their new state (no ports: gone); "" when nothing changes."""
        lines = _Changes(self.settings.name)
        for key, rules in changes.items():
            old = self._fragments.pop(key, None) or Fragment()
            new = fragment(rules, self.settings)
            if new.chains or new.elements:
                self._fragments[key] = new
            self._change_chains(old, new, lines)
            self._change_elements(key, old, new, lines)
        return lines.text()

    @property
    def has_stale(self) -> bool:
        """Whether a sweep will have something to do, now or next time."""
        return bool(self._stale or self._aged)

    def sweep(self) -> str:
        """Delete the chains that were stale at the last sweep already.

        Not in the transaction that emptied them: for a moment after the map element that led to a chain was deleted,
        kernels before 6.2 still count it and would refuse.
        """
        lines = [f"delete chain ip {self.settings.name} {chain}\n" for chain in sorted(self._aged)]
        self._stale, self._aged = set(), self._stale
        return "".join(lines)

    def _claim(self, key: str, one: Fragment) -> None:
        for element, value in one.elements.items():
            self._claims.setdefault(element, {})[key] = value

    def _effective(self, element: Element) -> str | None:
        """What holds where several Services claim an element (a Pod behind two of them, one external address)."""
        claims = self._claims.get(element)
        return claims[min(claims)] if claims else None

    def _change_chains(self, old: Fragment, new: Fragment, lines: "_Changes") -> None:
        for name in new.chains.keys() - old.chains.keys():
            lines.new_chains.append(name)
            self._stale.discard(name)
            self._aged.discard(name)
        for name, chain_rules in new.chains.items():
            if old.chains.get(name) != chain_rules:
                lines.rules.append((name, chain_rules))
        for name in old.chains.keys() - new.chains.keys():
            lines.emptied.append(name)
            self._stale.add(name)
        lines.new_sets += [(name, new.affinity[name]) for name in new.affinity if name not in old.affinity]
        lines.gone_sets += [name for name in old.affinity if name not in new.affinity]

    def _change_elements(self, key: str, old: Fragment, new: Fragment, lines: "_Changes") -> None:
        for element in dict.fromkeys((*old.elements, *new.elements)):
            value = new.elements.get(element)
            if value == old.elements.get(element):
                continue
            before = self._effective(element)
            claims = self._claims.setdefault(element, {})
            if value is None:
                claims.pop(key, None)
                if not claims:
                    del self._claims[element]
            else:
                claims[key] = value
            lines.element(element, before, self._effective(element))

    def _whole(self) -> Iterator[str]:
        name = self.settings.name
        contents: dict[str, list[str]] = {container: [] for container in _CONTAINERS}
        for element in self._claims:
            contents[element[0]].append(_entry(element[1], self._effective(element) or ""))
        yield f"table ip {name}"
        yield f"delete table ip {name}"
        yield f"table ip {name} {{"
        yield '\tcomment "rules for kube-proxy"'
        yield from _container("set", "nodeport-ips", "ipv4_addr", list(self.settings.node_port_addresses))
        for container, (kind, typing) in _CONTAINERS.items():
            yield from _container(kind, container, typing, contents[container])
        for one in self._fragments.values():
            for affinity, seconds in one.affinity.items():
                yield f"\tset {affinity} {{ {_affinity(seconds)} }}"
        chains = (one.chains.items() for one in self._fragments.values())
        for chain, rules in itertools.chain(base_chains(self.settings).items(), *chains):
            yield f"\tchain {chain} {{"
            for rule in rules:
                yield f"\t\t{rule}"
            yield "\t}"
        yield "}"


def removal(table: str) -> str:
    """The transaction that takes a table away, whether it is there or not."""
    return f"table ip {table}\ndelete table ip {table}\n"


def _affinity(seconds: int) -> str:
    return f"type ipv4_addr; flags dynamic,timeout; timeout {seconds}s;"


def _entry(key: str, value: str) -> str:
    return f"{key} : {value}" if value else key


def _container(kind: str, name: str, typing: str, entries: list[str]) -> Iterator[str]:
    yield f"\t{kind} {name} {{"
    yield f"\t\ttype {typing}"
    if entries:
        yield "\t\telements = {"
        yield ",\n".join(f"\t\t\t{entry}" for entry in entries)
        yield "\t\t}"
    yield "\t}"


class _Changes:
    """The parts of one transaction, in the order in which the kernel can take them."""

    def __init__(self, table: str) -> None:
        self._table = table
        self.new_chains: list[str] = []
        self.new_sets: list[tuple[str, int]] = []
        self.rules: list[tuple[str, tuple[str, ...]]] = []
        self.emptied: list[str] = []
        self.gone_sets: list[str] = []
        self._elements: dict[Element, tuple[str | None, str | None]] = {}

    def element(self, element: Element, before: str | None, after: str | None) -> None:
        """Note a change; several to one element (one from each of its claimants) become one."""
        first = self._elements[element][0] if element in self._elements else before
        self._elements[element] = (first, after)

    def text(self) -> str:
        """The commands; "" for none."""
        return "".join(f"{command}\n" for command in self._commands())

    def _commands(self) -> Iterator[str]:
        where = f"ip {self._table}"
        changed = {one: states for one, states in self._elements.items() if states[0] != states[1]}
        for chain in sorted(self.new_chains):
            yield f"add chain {where} {chain}"
        for name, seconds in self.new_sets:
            yield f"add set {where} {name} {{ {_affinity(seconds)} }}"
        for container, keys in _grouped((one, one[1]) for one, (before, _) in changed.items() if before is not None):
            yield f"delete element {where} {container} {{ {', '.join(keys)} }}"
        for chain in (*(chain for chain, _ in self.rules), *self.emptied):
            yield f"flush chain {where} {chain}"
        for chain, rules in self.rules:
            for rule in rules:
                yield f"add rule {where} {chain} {rule}"
        entries = ((one, _entry(one[1], after)) for one, (_, after) in changed.items() if after is not None)
        for container, texts in _grouped(entries):
            yield f"add element {where} {container} {{ {', '.join(texts)} }}"
        for name in self.gone_sets:
            yield f"delete set {where} {name}"


def _grouped(entries: Iterable[tuple[Element, str]]) -> Iterator[tuple[str, list[str]]]:
    groups: dict[str, list[str]] = {}
    for element, text in entries:
        groups.setdefault(element[0], []).append(text)
    yield from groups.items()
