"""Rules become nftables text; a change sends what differs and ends where a full sync would."""

import os
import pathlib
import random
import re
from typing import Any

import msgspec
import pytest
import yaml

from pybernetes.api.types import core, discovery
from pybernetes.proxy import nftables, ruleset

GOLDEN = pathlib.Path(__file__).parents[2] / "golden" / "proxy"
CASES = sorted(path.name.removesuffix(".input.yaml") for path in GOLDEN.glob("*.input.yaml"))


def read(name: str) -> tuple[dict[str, ruleset.ServiceRules], nftables.TableSettings]:
    """The rules and table settings of a golden input."""
    given = yaml.safe_load((GOLDEN / f"{name}.input.yaml").read_text())
    services = [msgspec.convert(one, core.Service) for one in given["objects"] if one["kind"] == "Service"]
    slices = [
        msgspec.convert(one, discovery.EndpointSlice) for one in given["objects"] if one["kind"] == "EndpointSlice"
    ]
    vantage = msgspec.convert(given["vantage"], ruleset.Vantage)
    rules = {}
    for service in services:
        mine = [
            one
            for one in slices
            if one.metadata.namespace == service.metadata.namespace
            and one.metadata.labels[ruleset.SERVICE_LABEL] == service.metadata.name
        ]
        rules[f"{service.metadata.namespace}/{service.metadata.name}"] = ruleset.service_rules(service, mine, vantage)
    return rules, msgspec.convert({"name": "kube-proxy", **given["settings"]}, nftables.TableSettings)


@pytest.mark.parametrize("name", CASES)
def test_golden(name: str) -> None:
    rules, settings = read(name)
    text = nftables.Table(settings).full(rules)
    path = GOLDEN / f"{name}.nft"
    if os.environ.get("PYBERNETES_UPDATE_GOLDEN"):
        path.write_text(text)
    assert text == path.read_text()


class Model:
    """The kernel's side, as far as the texts go: refuses what nft would refuse."""

    def __init__(self) -> None:
        self._clear()

    def _clear(self) -> None:
        self.chains: dict[str, list[str]] = {}
        self.sets: dict[str, str] = {}
        self.elements: dict[tuple[str, str], str] = {}

    def full(self, text: str) -> None:
        self._clear()
        lines = iter(text.splitlines()[3:-1])
        for line in lines:
            kind, _, rest = line.strip().partition(" ")
            name = rest.split(" ")[0]
            if kind == "chain":
                self.chains[name] = []
                while (rule := next(lines).strip()) != "}":
                    self.chains[name].append(rule)
            elif kind in ("set", "map") and not rest.endswith("}"):
                while (entry := next(lines).strip()) != "}":
                    if entry == "elements = {":
                        while (entry := next(lines).strip()) != "}":
                            self._add(name, entry.rstrip(","))
            elif kind == "set":
                self.sets[name] = rest[len(name) :].strip(" {}")

    def change(self, text: str) -> None:
        for line in text.splitlines():
            action, kind, _, _, name, *rest = line.split(" ", 5)
            body = rest[0] if rest else ""
            getattr(self, f"_{action}_{kind}")(name, body)
        verdicts = [*self.elements.values(), *(rule for rules in self.chains.values() for rule in rules)]
        for target in re.findall(r"goto ([^ ,]+)", " ".join(verdicts)):
            assert target in self.chains

    def _add(self, name: str, entry: str) -> None:
        key, _, value = entry.partition(" : ")
        assert (name, key) not in self.elements
        self.elements[name, key] = value

    def _add_chain(self, name: str, _: str) -> None:
        self.chains.setdefault(name, [])

    def _flush_chain(self, name: str, _: str) -> None:
        self.chains[name].clear()

    def _delete_chain(self, name: str, _: str) -> None:
        assert not self.chains.pop(name)
        assert f"goto {name}" not in self.elements.values()

    def _add_rule(self, name: str, rule: str) -> None:
        self.chains[name].append(rule)

    def _add_set(self, name: str, body: str) -> None:
        assert name not in self.sets
        self.sets[name] = body.strip(" {}")

    def _delete_set(self, name: str, _: str) -> None:
        del self.sets[name]
        assert not any(f"@{name} " in rule for rules in self.chains.values() for rule in rules)

    def _add_element(self, name: str, body: str) -> None:
        for entry in body.strip("{} ").split(", "):
            self._add(name, entry)

    def _delete_element(self, name: str, body: str) -> None:
        for key in body.strip("{} ").split(", "):
            del self.elements[name, key]


def random_rules(rng: random.Random, number: int) -> ruleset.ServiceRules:
    """Some rules for service `number`; addresses and Pods overlap between services."""
    if rng.random() < 0.2:
        return ruleset.NOTHING
    pods = [ruleset.Target(f"10.244.1.{one}", 8080, one % 2 == 0) for one in range(4)]
    cluster = tuple(sorted(rng.sample(pods, rng.randrange(4))))
    external_local = rng.random() < 0.4
    port: dict[str, Any] = {
        "namespace": "default",
        "service": f"s{number}",
        "cluster_address": f"10.96.0.{number}",
        "node_port": rng.choice([0, 30000 + number, 31000]),
        "external_addresses": rng.choice([(), ("198.51.100.1",)]),
        "balancer_addresses": rng.choice([(), ("203.0.113.1",)]),
        "source_ranges": rng.choice([(), ("192.0.2.0/24",)]),
        "affinity_seconds": rng.choice([0, 60, 120]),
        "external_local": external_local,
        "cluster": cluster,
        "local": tuple(one for one in cluster if one.local) if external_local else (),
        "has_endpoints": bool(cluster),
    }
    names = rng.sample([("", "tcp", 80), ("dns", "udp", 53), ("more", "tcp", 81)], rng.randrange(1, 3))
    ports = []
    for place, (name, protocol, port_number) in enumerate(names):
        own = {"name": name, "protocol": protocol, "port": port_number}
        if port["node_port"]:
            own["node_port"] = port["node_port"] + place
        ports.append(ruleset.ServicePort(**{**port, **own}))
    return ruleset.ServiceRules(tuple(ports))


@pytest.mark.parametrize("seed", range(30))
def test_changes_end_where_a_full_sync_would(seed: int) -> None:
    rng = random.Random(seed)
    settings = nftables.TableSettings("t", cluster_cidr="10.244.0.0/16")
    table, model = nftables.Table(settings), Model()
    rules = {f"default/s{one}": random_rules(rng, one) for one in range(6)}
    model.full(table.full(rules))
    for _ in range(15):
        changes = {f"default/s{one}": random_rules(rng, one) for one in rng.sample(range(6), rng.randrange(1, 4))}
        rules.update(changes)
        model.change(table.change(changes))
        if rng.random() < 0.4:
            model.change(table.sweep())
    while table.has_stale:
        model.change(table.sweep())
    expected = Model()
    expected.full(nftables.Table(settings).full(rules))
    assert model.chains == expected.chains
    assert model.sets == expected.sets
    assert model.elements == expected.elements


def test_nothing_changed_sends_nothing() -> None:
    rules, settings = read("external")
    table = nftables.Table(settings)
    table.full(rules)
    assert table.change(rules) == ""


def test_a_change_touches_only_its_service() -> None:
    rules, settings = read("cluster-ip")
    table = nftables.Table(settings)
    table.full(rules)
    text = table.change({"default/web": ruleset.NOTHING})
    assert "kube-system" not in text
    assert "10.96.0.20 . tcp . 80" in text
    # in use by the kernel for a moment longer: emptied now, deleted by the second sweep
    assert "delete chain" not in text
    assert table.sweep() == ""
    assert table.sweep().splitlines() == [
        "delete chain ip kube-proxy service/default/web/tcp/http",
        "delete chain ip kube-proxy service/default/web/tcp/https",
    ]
    assert not table.has_stale
