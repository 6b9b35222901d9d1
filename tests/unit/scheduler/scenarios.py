"""Situations to schedule in, written by hand or drawn from a seed; upstream's answers to them are in `verdicts.json`.

A situation is a list of nodes, Pods that are there already, and Pods to schedule one after the other.
"""

import dataclasses
import hashlib
from typing import Any

Object = dict[str, Any]
HOST, ZONE = "kubernetes.io/hostname", "topology.kubernetes.io/zone"


@dataclasses.dataclass(frozen=True, slots=True)
class Scenario:
    """One situation."""

    name: str
    nodes: list[Object]
    placed: list[Object]
    pods: list[Object]


def node(name: str, cpu: str = "4", memory: str = "8Gi", pods: str = "110", **more: Any) -> Object:
    """A node; `labels`, `allocatable` and `images` are not spec."""
    labels = {HOST: name, **more.pop("labels", {})}
    amounts = {"cpu": cpu, "memory": memory, "pods": pods, **more.pop("allocatable", {})}
    status = {"capacity": amounts, "allocatable": amounts, "images": more.pop("images", [])}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": labels},
        "spec": more,
        "status": status,
    }


def pod(name: str, requests: Object | None = None, labels: Object | None = None, **spec: Any) -> Object:
    """A Pod with one container; `container` adds to that."""
    resources: Object = {"requests": requests or {}}
    resources["limits"] = {name: amount for name, amount in resources["requests"].items() if "/" in name}
    container = {"name": "c", "image": "web:1", "resources": resources, **spec.pop("container", {})}
    metadata = {"name": name, "namespace": "default", "labels": labels or {}}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": [container], **spec}}


def expression(key: str, operator: str, *values: str) -> Object:
    """A requirement on labels."""
    return {"key": key, "operator": operator, **({"values": [*values]} if values else {})}


def node_affinity(*terms: Object) -> Object:
    """Spec with required node affinity."""
    required = {"nodeSelectorTerms": [*terms]}
    return {"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": required}}}


def pod_term(app: str, key: str = HOST) -> Object:
    """Pods labelled app=<app>."""
    return {"labelSelector": {"matchLabels": {"app": app}}, "topologyKey": key}


def required(kind: str, *terms: Object) -> Object:
    """Spec with required affinity (or anti-affinity) to Pods."""
    return {"affinity": {kind: {"requiredDuringSchedulingIgnoredDuringExecution": [*terms]}}}


def spread(key: str, skew: int = 1, action: str = "DoNotSchedule", app: str = "web", **more: Any) -> Object:
    """Spec with a spread constraint."""
    one = {"topologyKey": key, "maxSkew": skew, "whenUnsatisfiable": action, **more}
    return {"topologySpreadConstraints": [{**one, "labelSelector": {"matchLabels": {"app": app}}}]}


TAINT = {"key": "k", "value": "v", "effect": "NoSchedule"}
WEB = {"app": "web"}
ONE, TWO = {"cpu": "1"}, {"cpu": "2"}
PORT = {"container": {"ports": [{"containerPort": 80, "hostPort": 80}]}}


def written() -> list[Scenario]:
    """One for each kind of refusal, and what comes with it."""
    three = [node("a"), node("b", taints=[TAINT]), node("c", unschedulable=True)]
    zoned = [node("z1", labels={ZONE: "x"}), node("z2", labels={ZONE: "y"}), node("none")]
    names = expression("metadata.name", "In", "a")
    both = {"matchFields": [names, expression("metadata.name", "In", "b")]}
    gpu = {"example.com/gpu": "1"}
    return [
        Scenario("nothing", [], [], [pod("p")]),
        Scenario("everything-wrong", three, [], [pod("p", {"cpu": "8"}), pod("q", {"cpu": "8", "memory": "64Gi"})]),
        Scenario("hopeless", [node("a", cpu="1")], [], [pod("p", TWO)]),
        Scenario("full", [node("a", cpu="2")], [pod("x", TWO, nodeName="a")], [pod("p", ONE)]),
        Scenario("too-many", [node("a", pods="1")], [pod("x", nodeName="a")], [pod("p"), pod("q", {"cpu": "9"})]),
        Scenario("devices", [node("a", allocatable={"example.com/gpu": "1"})], [], [pod("p", gpu), pod("q", gpu)]),
        Scenario(
            "storage",
            [node("a", allocatable={"ephemeral-storage": "1Gi"})],
            [],
            [
                pod("p", {"ephemeral-storage": "2Gi"}),
                pod("q", {"ephemeral-storage": "1Gi"}),
            ],
        ),
        Scenario(
            "selector",
            three,
            [],
            [
                pod("p", nodeSelector={"disk": "ssd"}),
                pod("q", **node_affinity({"matchExpressions": [expression("disk", "Exists")]})),
            ],
        ),
        Scenario(
            "named-nodes",
            three,
            [],
            [
                pod("p", {"cpu": "8"}, **node_affinity({"matchFields": [names]})),
                pod("q", **node_affinity(both)),
                pod("r", **node_affinity({"matchFields": [expression("metadata.name", "In", "ghost")]})),
                pod("s", **node_affinity({"matchFields": [names]})),
            ],
        ),
        Scenario(
            "tolerations",
            three,
            [],
            [
                pod("p", **node_affinity({"matchFields": [expression("metadata.name", "In", "b")]})),
                pod(
                    "q",
                    tolerations=[{"key": "k", "operator": "Exists"}],
                    **node_affinity({"matchFields": [expression("metadata.name", "In", "b")]}),
                ),
            ],
        ),
        Scenario("ports", [node("a")], [], [pod("p", **PORT), pod("q", **PORT)]),
        Scenario(
            "near",
            zoned,
            [pod("x", labels={"app": "db"}, nodeName="z1")],
            [
                pod("p", **required("podAffinity", pod_term("db", ZONE))),
                pod("q", **required("podAffinity", pod_term("none", ZONE))),
                pod("r", {"cpu": "8"}, **required("podAffinity", pod_term("db", ZONE))),
            ],
        ),
        Scenario(
            "far",
            zoned[:2],
            [pod("x", labels=WEB, nodeName="z1")],
            [
                pod("p", labels=WEB, **required("podAntiAffinity", pod_term("web", ZONE))),
                pod("q", labels=WEB, **required("podAntiAffinity", pod_term("web", ZONE))),
            ],
        ),
        Scenario(
            "others-mind",
            zoned[:1],
            [pod("x", labels={"app": "db"}, nodeName="z1", **required("podAntiAffinity", pod_term("web", ZONE)))],
            [pod("p", labels=WEB)],
        ),
        Scenario(
            "spread",
            zoned,
            [pod("x", labels=WEB, nodeName="z1")],
            [
                pod("p", labels=WEB, **spread(ZONE)),
                pod("q", {"cpu": "3500m"}, labels=WEB, **spread(ZONE)),
                pod("r", {"cpu": "3500m"}, labels=WEB, **spread(ZONE)),
            ],
        ),
        Scenario(
            "min-domains",
            zoned[:2],
            [pod("x", labels=WEB, nodeName="z1")],
            [
                pod("p", labels=WEB, **spread(ZONE, minDomains=3)),
                pod("q", labels=WEB, **spread(ZONE, minDomains=3)),
            ],
        ),
        Scenario(
            "claims",
            [node("a")],
            [],
            [
                pod("p", volumes=[{"name": "v", "persistentVolumeClaim": {"claimName": "missing"}}]),
            ],
        ),
        Scenario(
            "preempt",
            [node("a", cpu="2"), node("b", cpu="1")],
            [
                pod("x", ONE, priority=5, nodeName="a"),
                pod("y", ONE, priority=1, nodeName="a"),
            ],
            [pod("p", {"cpu": "1500m"}, priority=3), pod("q", {"cpu": "1500m"}, priority=10)],
        ),
        Scenario(
            "never-preempt",
            [node("a", cpu="1")],
            [pod("x", ONE, priority=1, nodeName="a")],
            [
                pod("p", ONE, priority=10, preemptionPolicy="Never"),
            ],
        ),
        Scenario("no-victims", [node("a", cpu="1")], [pod("x", ONE, priority=10, nodeName="a")], [pod("p", ONE)]),
        Scenario(
            "images",
            [
                node("a", images=[{"names": ["web:1"], "sizeBytes": 900 * 1024 * 1024}]),
                node("b"),
            ],
            [],
            [pod("p")],
        ),
        Scenario(
            "sidecars",
            [node("a", cpu="2")],
            [],
            [
                pod(
                    "p",
                    ONE,
                    initContainers=[
                        {
                            "name": "s",
                            "image": "i",
                            "restartPolicy": "Always",
                            "resources": {"requests": {"cpu": "1500m"}},
                        },
                    ],
                ),
                pod("q", ONE, initContainers=[{"name": "i", "image": "i", "resources": {"requests": {"cpu": "3"}}}]),
            ],
        ),
    ]


class Dice:
    """Numbers that are the same on every machine and in every version."""

    def __init__(self, seed: str) -> None:
        self._seed = seed
        self._count = 0

    def below(self, limit: int) -> int:
        """From 0 to limit - 1."""
        self._count += 1
        digest = hashlib.sha256(f"{self._seed}/{self._count}".encode()).digest()
        return int.from_bytes(digest[:8], "big") % limit

    def pick(self, *choices: Any) -> Any:
        """One of them."""
        return choices[self.below(len(choices))]

    def chance(self, percent: int) -> bool:
        """True in so many of a hundred cases."""
        return self.below(100) < percent


def drawn(seed: int) -> Scenario:
    """Nodes of odd sizes, some of them loaded, and Pods with a few wishes: scores rarely tie."""
    dice = Dice(f"scenario-{seed}")
    nodes = [_drawn_node(dice, f"n{index}") for index in range(3 + dice.below(5))]
    placed = []
    for index in range(dice.below(12)):
        where = dice.pick(*nodes)["metadata"]["name"]
        placed.append(_drawn_pod(dice, f"x{index}", nodeName=where))
    return Scenario(f"drawn-{seed}", nodes, placed, [_drawn_pod(dice, f"p{index}") for index in range(8)])


def _drawn_node(dice: Dice, name: str) -> Object:
    more: Object = {"labels": {ZONE: dice.pick("x", "y", "z")}}
    if dice.chance(40):
        more["labels"]["disk"] = dice.pick("ssd", "hdd")
    if dice.chance(20):
        more["taints"] = [dice.pick(TAINT, {**TAINT, "effect": "PreferNoSchedule"})]
    if dice.chance(30):
        more["images"] = [{"names": ["web:1"], "sizeBytes": (50 + dice.below(900)) * 1024 * 1024}]
    return node(name, f"{2000 + dice.below(6000)}m", f"{4000 + dice.below(12000)}Mi", **more)


def _drawn_pod(dice: Dice, name: str, **spec: Any) -> Object:
    requests: Object = {}
    if dice.chance(80):
        requests["cpu"] = f"{50 + dice.below(900)}m"
    if dice.chance(80):
        requests["memory"] = f"{50 + dice.below(1500)}Mi"
    labels = {"app": dice.pick("web", "db")}
    affinity: Object = {}
    if dice.chance(15):
        spec["nodeSelector"] = {"disk": dice.pick("ssd", "hdd")}
    if dice.chance(25):
        terms = [
            {
                "weight": 1 + dice.below(100),
                "preference": {
                    "matchExpressions": [expression(dice.pick("disk", ZONE), "In", dice.pick("ssd", "x", "y"))]
                },
            }
        ]
        affinity["nodeAffinity"] = {"preferredDuringSchedulingIgnoredDuringExecution": terms}
    for kind, chance in (("podAffinity", 20), ("podAntiAffinity", 20)):
        if dice.chance(chance):
            term = pod_term(dice.pick("web", "db"), dice.pick(HOST, ZONE))
            weighted = {"weight": 1 + dice.below(100), "podAffinityTerm": term}
            affinity[kind] = dice.pick(
                {"preferredDuringSchedulingIgnoredDuringExecution": [weighted]},
                {"preferredDuringSchedulingIgnoredDuringExecution": [weighted]},
                {"requiredDuringSchedulingIgnoredDuringExecution": [term]},
            )
    if affinity:
        spec["affinity"] = affinity
    if dice.chance(30):
        action = dice.pick("ScheduleAnyway", "ScheduleAnyway", "DoNotSchedule")
        spec |= spread(dice.pick(HOST, ZONE), 1 + dice.below(3), action, labels["app"])
    if dice.chance(20):
        spec["tolerations"] = [{"key": "k", "operator": "Exists"}]
    return pod(name, requests, labels, **spec)


def everything() -> list[Scenario]:
    """All of them."""
    return [*written(), *map(drawn, range(40))]
