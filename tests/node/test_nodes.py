"""Three real nodes: Pods find each other across them, a lost node's Pods move, nodes come and go."""

import collections
import json
import subprocess
from typing import Any

import pytest
from tests.node import traffic

pytestmark = [pytest.mark.node, pytest.mark.slow]


def test_pods_reach_each_other_across_nodes(three_nodes: Any) -> None:
    """Seed A2: three nodes are Ready, a Deployment spreads, Pods reach each other by address, Service and name."""
    three_nodes.kubectl("wait", "node", "--all", "--for=condition=Ready", "--timeout=30s")
    three_nodes.apply(traffic.deployment("far", 6), traffic.service("far", type="NodePort"))
    three_nodes.kubectl("rollout", "status", "deployment/far", "--timeout=60s")
    found = traffic.pods(three_nodes, "far")
    where = {pod["spec"]["nodeName"]: pod["status"]["podIP"] for pod in found}
    assert sorted(collections.Counter(pod["spec"]["nodeName"] for pod in found).values()) == [2, 2, 2]
    names = {pod["metadata"]["name"]: pod["status"]["podIP"] for pod in found}
    seen = three_nodes.get("service", "far")["spec"]
    urls = [f"http://{ip}:8080/cgi-bin/who" for ip in names.values()]
    for ip in where.values():
        others = [url for url in urls if f"//{ip}:" not in url]
        answers = traffic.ask(ip, [*others, *[f"http://{seen['clusterIP']}/cgi-bin/who"] * 12])
        # every Pod is seen with its own address, across nodes too
        direct = {f"{name} {ip}" for name, other in names.items() if other != ip}
        assert set(answers[: len(others)]) == direct
        through_service = [answer for answer in answers[len(others) :] if answer in direct]
        assert through_service
        dns = three_nodes.get("service", "-n", "kube-system", "kube-dns")["spec"]["clusterIP"]
        looked_up = ["busybox", "nslookup", "far.default.svc.cluster.local", dns]
        done = subprocess.run(
            ["nsenter", f"--net={traffic.namespace_of(ip)}", *looked_up], check=True, capture_output=True, text=True
        )
        assert seen["clusterIP"] in done.stdout
    nodes = [node["status"]["addresses"][0]["address"] for node in three_nodes.get("nodes")]
    outside = [f"http://{address}:{seen['ports'][0]['nodePort']}/cgi-bin/who" for address in nodes]
    answers = traffic.ask("", [*urls, *outside, f"http://{seen['clusterIP']}/cgi-bin/who"])
    assert {answer.split()[0] for answer in answers} <= names.keys()
    # what nobody has ends on the machine
    base = nodes[0].rpartition(".")[0].rpartition(".")[0]
    for address in (f"{base}.1.250", f"{base}.2.250", f"{base}.9.9", f"{base}.200.1", seen["clusterIP"]):
        route = subprocess.run(["ip", "route", "get", address], check=False, capture_output=True, text=True)
        assert " dev pyb" in route.stdout or "No route to host" in route.stderr
    for pod in found[:3]:
        name = pod["metadata"]["name"]
        assert three_nodes.kubectl("exec", name, "--", "hostname").strip() == name
        three_nodes.kubectl("logs", name)
    three_nodes.kubectl("delete", "deployment,service", "far")


def test_nodes_come_and_go(three_nodes: Any) -> None:
    three_nodes.run("node", "add")
    three_nodes.apply(
        traffic.deployment("moving", 4, nodeSelector={"kubernetes.io/hostname": f"{three_nodes.name}-node-4"})
    )
    three_nodes.kubectl("rollout", "status", "deployment/moving", "--timeout=60s")
    three_nodes.kubectl("patch", "deployment", "moving", "-p", '{"spec":{"template":{"spec":{"nodeSelector":null}}}}')
    three_nodes.kubectl("rollout", "status", "deployment/moving", "--timeout=60s")
    three_nodes.run("node", "add", "--simulated", "--count", "2")
    listed = {row["name"]: row["kind"] for row in json.loads(three_nodes.run("node", "list", "-o", "json"))}
    assert collections.Counter(listed.values()) == {"real": 4, "simulated": 2}
    assert {node["metadata"]["name"] for node in three_nodes.get("nodes")} == listed.keys()
    three_nodes.run("node", "remove", f"{three_nodes.name}-node-4", "simulated-1", "simulated-2")
    resolver = f"endpointslice/kube-dns-{three_nodes.name}-node-4"
    three_nodes.kubectl("wait", "-n", "kube-system", resolver, "--for=delete", "--timeout=30s")
    left = {node["metadata"]["name"] for node in three_nodes.get("nodes")}
    assert left == {f"{three_nodes.name}-node-{index}" for index in (1, 2, 3)}
    three_nodes.kubectl("rollout", "status", "deployment/moving", "--timeout=60s")
    assert {pod["spec"]["nodeName"] for pod in traffic.pods(three_nodes, "moving")} <= left
    three_nodes.kubectl("delete", "deployment", "moving")


def test_a_lost_node_loses_its_pods(three_nodes: Any) -> None:
    """Its containers run on, unseen; when the kubelet returns they are ended, and nothing runs twice."""
    keys = ("not-ready", "unreachable")
    stay = {"operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 1}
    tolerations = [{"key": f"node.kubernetes.io/{key}", **stay} for key in keys]
    three_nodes.apply(traffic.deployment("lost", 6, tolerations=tolerations, terminationGracePeriodSeconds=1))
    three_nodes.kubectl("rollout", "status", "deployment/lost", "--timeout=60s")
    node = f"{three_nodes.name}-node-2"
    before = [pod for pod in traffic.pods(three_nodes, "lost") if pod["spec"]["nodeName"] == node]
    assert len(before) == 2
    three_nodes.kill(node)
    three_nodes.kubectl("wait", "node", node, "--for=condition=Ready=Unknown", "--timeout=40s")
    for pod in before:
        three_nodes.kubectl("wait", "pod", pod["metadata"]["name"], "--for=jsonpath={.metadata.deletionTimestamp}")
    three_nodes.kubectl("rollout", "status", "deployment/lost", "--timeout=60s")
    taints = {(taint["key"], taint["effect"]) for taint in three_nodes.get("node", node)["spec"]["taints"]}
    assert taints == {("node.kubernetes.io/unreachable", effect) for effect in ("NoSchedule", "NoExecute")}
    moved = traffic.pods(three_nodes, "lost")
    assert len(moved) == 6
    assert node not in {pod["spec"]["nodeName"] for pod in moved}
    # nobody has told the node: its containers still answer
    assert "no answer" not in traffic.ask("", [f"http://{pod['status']['podIP']}:8080/cgi-bin/who" for pod in before])
    three_nodes.up()
    for pod in before:
        three_nodes.kubectl("wait", "pod", pod["metadata"]["name"], "--for=delete", "--timeout=30s")
        with pytest.raises(AssertionError, match="no Pod has the address"):
            traffic.namespace_of(pod["status"]["podIP"])
    three_nodes.kubectl("wait", "node", node, "--for=condition=Ready", "--timeout=30s")
    assert {pod["metadata"]["name"] for pod in traffic.pods(three_nodes, "lost")} == {
        pod["metadata"]["name"] for pod in moved
    }
    three_nodes.kubectl("delete", "deployment", "lost")


def test_containers_of_one_pod_share_it(three_nodes: Any) -> None:
    """Seed A10: two containers talk on 127.0.0.1, share an emptyDir, see one address."""
    first = "mkdir -p /www && hostname -i >/shared/one && httpd -f -p 8080 -h /shared"
    second = """until printf 'GET /one HTTP/1.0\\r\\n\\r\\n' | nc 127.0.0.1 8080 | grep -q .; do usleep 100000; done
printf 'GET /one HTTP/1.0\\r\\n\\r\\n' | nc 127.0.0.1 8080 | tail -n 1 >/shared/asked
hostname -i >/shared/two; sleep 3600"""
    mount = {"image": "localhost/pybernetes/demo:1", "volumeMounts": [{"name": "shared", "mountPath": "/shared"}]}
    ready = {"readinessProbe": {"exec": {"command": ["test", "-s", "/shared/two"]}, "periodSeconds": 1}}
    containers = [
        {"name": "serve", "command": ["sh", "-c", first], **mount},
        {"name": "ask", "command": ["sh", "-c", second], **mount, **ready},
    ]
    spec = {
        "containers": containers,
        "volumes": [{"name": "shared", "emptyDir": {}}],
        "terminationGracePeriodSeconds": 0,
    }
    three_nodes.apply({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "pair"}, "spec": spec})
    three_nodes.kubectl("wait", "pod", "pair", "--for=condition=Ready", "--timeout=30s")
    ip = three_nodes.get("pod", "pair")["status"]["podIP"]
    assert traffic.ask("", [f"http://{ip}:8080/{file}" for file in ("one", "two", "asked")]) == [ip] * 3
    three_nodes.kubectl("delete", "pod", "pair")
