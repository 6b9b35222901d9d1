import base64
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from pybernetes.api.types import core
from pybernetes.kubelet import environment, expansion

MakePod = Callable[..., core.Pod]


def config_map(name: str, **data: str) -> core.ConfigMap:
    return msgspec.convert({"metadata": {"name": name, "namespace": "shop"}, "data": data}, core.ConfigMap)


def secret(name: str, **data: str) -> core.Secret:
    encoded = {key: base64.b64encode(text.encode()).decode() for key, text in data.items()}
    return msgspec.convert({"metadata": {"name": name, "namespace": "shop"}, "data": encoded}, core.Secret)


def service(name: str, namespace: str = "shop", ip: str = "10.96.0.7", **ports: int) -> core.Service:
    entries = [{"name": one, "port": number, "protocol": "TCP"} for one, number in ports.items()]
    body = {"metadata": {"name": name, "namespace": namespace}, "spec": {"clusterIP": ip, "ports": entries}}
    return msgspec.convert(body, core.Service)


SOURCES = environment.Sources(
    config_maps={"cm": config_map("cm", a="1", b="2")},
    secrets={"sec": secret("sec", pw="hidden")},
    pod_ips=("10.0.0.5", "fd00::5"),
    host_ips=("192.0.2.1",),
    allocatable={"cpu": "2", "memory": "8Gi"},
    node_name="n1",
)


def make(pod: MakePod, sources: environment.Sources = SOURCES, **container: Any) -> dict[str, str]:
    metadata = {"labels": {"app": "web"}, "annotations": {"note": 'a "b"'}}
    made = pod(metadata=metadata, serviceAccountName="robot", containers=[{"name": "c", "image": "img", **container}])
    return environment.make(made, made.spec.containers[0], sources)


def env(name: str, **source: Any) -> dict[str, Any]:
    return {"name": name, "valueFrom": source}


@pytest.mark.parametrize(
    ("variable", "expected"),
    [
        ({"name": "X", "value": "plain"}, "plain"),
        (env("X", configMapKeyRef={"name": "cm", "key": "b"}), "2"),
        (env("X", secretKeyRef={"name": "sec", "key": "pw"}), "hidden"),
        (env("X", configMapKeyRef={"name": "none", "key": "b", "optional": True}), None),
        (env("X", secretKeyRef={"name": "sec", "key": "none", "optional": True}), None),
        (env("X", fieldRef={"fieldPath": "metadata.name"}), "web"),
        (env("X", fieldRef={"fieldPath": "metadata.namespace"}), "shop"),
        (env("X", fieldRef={"fieldPath": "metadata.uid"}), "u-1"),
        (env("X", fieldRef={"fieldPath": "metadata.labels['app']"}), "web"),
        (env("X", fieldRef={"fieldPath": "metadata.annotations['note']"}), 'a "b"'),
        (env("X", fieldRef={"fieldPath": "spec.nodeName"}), "n1"),
        (env("X", fieldRef={"fieldPath": "spec.serviceAccountName"}), "robot"),
        (env("X", fieldRef={"fieldPath": "status.podIP"}), "10.0.0.5"),
        (env("X", fieldRef={"fieldPath": "status.podIPs"}), "10.0.0.5,fd00::5"),
        (env("X", fieldRef={"fieldPath": "status.hostIP"}), "192.0.2.1"),
        (env("X", resourceFieldRef={"resource": "limits.cpu"}), "2"),
        (env("X", resourceFieldRef={"resource": "requests.memory", "divisor": "1Mi"}), "0"),
        (env("X", resourceFieldRef={"resource": "limits.memory", "divisor": "1Gi"}), "8"),
    ],
)
def test_sources(make_pod: MakePod, variable: dict[str, Any], expected: str | None) -> None:
    assert make(make_pod, env=[variable]).get("X") == expected


def test_later_values_see_earlier_ones(make_pod: MakePod) -> None:
    found = make(
        make_pod,
        envFrom=[{"prefix": "P_", "configMapRef": {"name": "cm"}}, {"secretRef": {"name": "sec"}}],
        env=[{"name": "A", "value": "$(P_a)/$(pw)"}, {"name": "B", "value": "$(A)-$$(A)-$(none)"}],
    )
    assert found == {"P_a": "1", "P_b": "2", "pw": "hidden", "A": "1/hidden", "B": "1/hidden-$(A)-$(none)"}


@pytest.mark.parametrize(
    ("container", "message"),
    [
        ({"envFrom": [{"configMapRef": {"name": "none"}}]}, 'configmap "none" not found'),
        ({"envFrom": [{"secretRef": {"name": "none"}}]}, 'secret "none" not found'),
        (
            {"env": [env("X", configMapKeyRef={"name": "cm", "key": "z"})]},
            "couldn't find key z in ConfigMap shop/cm",
        ),
        ({"env": [env("X", secretKeyRef={"name": "sec", "key": "z"})]}, "couldn't find key z in Secret shop/sec"),
        ({"env": [env("X", fieldRef={"fieldPath": "spec.none"})]}, "unsupported fieldPath: spec.none"),
    ],
)
def test_what_is_missing(make_pod: MakePod, container: dict[str, Any], message: str) -> None:
    with pytest.raises(environment.MissingSourceError) as failure:
        make(make_pod, **container)
    assert str(failure.value) == message


def test_services(make_pod: MakePod) -> None:
    services = (
        service("kubernetes", "default", "10.96.0.1", https=443),
        service("my-db", sql=5432, http=80),
        service("headless", ip="None", x=1),
        service("other", "elsewhere", x=1),
    )
    found = make(
        make_pod, environment.Sources(services=services), env=[{"name": "U", "value": "$(MY_DB_SERVICE_HOST)"}]
    )
    assert found["U"] == "10.96.0.7"
    assert found["KUBERNETES_SERVICE_PORT_HTTPS"] == "443"
    assert found["KUBERNETES_PORT"] == "tcp://10.96.0.1:443"
    assert {name: text for name, text in found.items() if name.startswith("MY_DB")} == {
        "MY_DB_SERVICE_HOST": "10.96.0.7",
        "MY_DB_SERVICE_PORT": "5432",
        "MY_DB_SERVICE_PORT_SQL": "5432",
        "MY_DB_SERVICE_PORT_HTTP": "80",
        "MY_DB_PORT": "tcp://10.96.0.7:5432",
        "MY_DB_PORT_5432_TCP": "tcp://10.96.0.7:5432",
        "MY_DB_PORT_5432_TCP_PROTO": "tcp",
        "MY_DB_PORT_5432_TCP_PORT": "5432",
        "MY_DB_PORT_5432_TCP_ADDR": "10.96.0.7",
        "MY_DB_PORT_80_TCP": "tcp://10.96.0.7:80",
        "MY_DB_PORT_80_TCP_PROTO": "tcp",
        "MY_DB_PORT_80_TCP_PORT": "80",
        "MY_DB_PORT_80_TCP_ADDR": "10.96.0.7",
    }
    assert not any(name.startswith(("HEADLESS", "OTHER")) for name in found)


def test_links_can_be_declined(make_pod: MakePod) -> None:
    pod = make_pod(enableServiceLinks=False)
    services = (service("kubernetes", "default", "10.96.0.1", https=443), service("db", sql=1))
    found = environment.make(pod, pod.spec.containers[0], environment.Sources(services=services))
    assert "KUBERNETES_SERVICE_HOST" in found
    assert "DB_SERVICE_HOST" not in found


def test_references(make_pod: MakePod) -> None:
    container = make_pod(
        containers=[
            {
                "name": "c",
                "envFrom": [{"configMapRef": {"name": "a"}}, {"secretRef": {"name": "b"}}],
                "env": [
                    env("X", configMapKeyRef={"name": "c", "key": "k"}),
                    env("Y", secretKeyRef={"name": "d", "key": "k"}),
                ],
            }
        ]
    ).spec.containers[0]
    assert environment.references(container) == ({"a", "c"}, {"b", "d"})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("$(A)", "1"),
        ("$$(A)", "$(A)"),
        ("$$$(A)", "$1"),
        ("$(B) $(A)$(A)", "$(B) 11"),
        ("$A ${A} $( A", "$A ${A} $( A"),
        ("tail$", "tail$"),
        ("$$", "$"),
    ],
)
def test_expansion(text: str, expected: str) -> None:
    assert expansion.expand(text, {"A": "1"}) == expected


def test_strict_expansion_wants_every_name() -> None:
    assert expansion.expand_strict("a/$(A)", {"A": "1"}) == "a/1"
    with pytest.raises(expansion.UnknownReferenceError):
        expansion.expand_strict("a/$(B)", {"A": "1"})
