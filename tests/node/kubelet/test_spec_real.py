"""What programs find around them: for each pod, what a script prints in it. Upstream: test/e2e/common/node."""

import os
import pathlib
import socket
from typing import Any

import pytest
from tests.node.kubelet.real_node import NODE, Node

from pybernetes.api.types import core
from pybernetes.cluster import images

pytestmark = pytest.mark.node

STATUS = "grep -E '^({})' /proc/1/status | tr -s '\t ' ' ' | tr '\n' ' '"
RESOURCES = {"requests": {"cpu": "250m", "memory": "32Mi"}, "limits": {"cpu": "1250m", "memory": "64Mi"}}


def _own(name: str) -> str:
    """A line of this process's status, as the scripts print it."""
    lines = pathlib.Path("/proc/self/status").read_text().splitlines()
    found = next(line for line in lines if line.startswith(name))
    return " ".join(found.split()) + " "


def secure(**settings: Any) -> dict[str, Any]:
    return {"container": {"securityContext": settings}}


def with_volume(source: dict[str, Any], *mounts: dict[str, Any], **more: Any) -> dict[str, Any]:
    places = [{"name": "v", "mountPath": "/v", **one} for one in mounts or ({},)]
    return {"volumes": [{"name": "v", **source}], "container": {"volumeMounts": places, **more}}


def field(path: str) -> dict[str, Any]:
    return {"fieldRef": {"fieldPath": path}}


def variables(**sources: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"name": name, "valueFrom": source} for name, source in sources.items()]


def resource(name: str, divisor: str = "") -> dict[str, Any]:
    return {"resourceFieldRef": {"resource": name, "containerName": "c", **({"divisor": divisor} if divisor else {})}}


CASES: dict[str, tuple[dict[str, Any], str, str]] = {
    "user": (
        {"securityContext": {"runAsUser": 1001, "runAsGroup": 2002, "supplementalGroups": [3003]}},
        "id -u; id -g; id -G",
        "1001\n2002\n2002 3003\n",
    ),
    "container-user": ({"securityContext": {"runAsUser": 1001}, **secure(runAsUser=5)}, "id -u", "5\n"),
    "fs-group": (
        {"securityContext": {"fsGroup": 4004, "runAsUser": 9}, **with_volume({"emptyDir": {}})},
        "touch /v/x; stat -c '%u %g %a' /v /v/x",
        "0 4004 2777\n9 4004 644\n",
    ),
    "read-only": (secure(readOnlyRootFilesystem=True), "touch /x 2>/dev/null || echo no", "no\n"),
    "plain": ({}, STATUS.format("NoNewPrivs|Seccomp:"), "NoNewPrivs: 0 Seccomp: 0 "),
    "escalation": (secure(allowPrivilegeEscalation=False), STATUS.format("NoNewPrivs"), "NoNewPrivs: 1 "),
    "seccomp": (
        {"securityContext": {"seccompProfile": {"type": "RuntimeDefault"}}},
        STATUS.format("Seccomp:"),
        "Seccomp: 2 ",
    ),
    "capabilities": (
        secure(capabilities={"drop": ["ALL"], "add": ["NET_RAW"]}),
        STATUS.format("CapEff"),
        "CapEff: 0000000000002000 ",
    ),
    "privileged": (secure(privileged=True), "mount -t tmpfs none /home && " + STATUS.format("CapEff"), _own("CapEff")),
    "sysctls": (
        {"securityContext": {"sysctls": [{"name": "kernel.shm_rmid_forced", "value": "1"}]}},
        "cat /proc/sys/kernel/shm_rmid_forced",
        "1\n",
    ),
    "host-pid": ({"hostPID": True}, "readlink /proc/self/ns/pid", os.readlink("/proc/self/ns/pid") + "\n"),
    "host-ipc": ({"hostIPC": True}, "readlink /proc/self/ns/ipc", os.readlink("/proc/self/ns/ipc") + "\n"),
    "host-network": ({"hostNetwork": True}, "hostname", socket.gethostname() + "\n"),
    "shared-pid": ({"shareProcessNamespace": True}, "cat /proc/1/comm", "pause\n"),
    "host-name": (
        {"hostname": "web-1", "subdomain": "nest"},
        "hostname; hostname -f; grep -c 'web-1.nest.default.svc.cluster.local.web-1' /etc/hosts",
        "web-1\nweb-1.nest.default.svc.cluster.local\n1\n",
    ),
    "fqdn": (
        {"hostname": "web-1", "subdomain": "nest", "setHostnameAsFQDN": True},
        "hostname",
        "web-1.nest.default.svc.cluster.local\n",
    ),
    "aliases": (
        {"hostAliases": [{"ip": "192.0.2.9", "hostnames": ["one", "two"]}]},
        "tail -1 /etc/hosts",
        "192.0.2.9\tone\ttwo\n",
    ),
    "dns": (
        {
            "dnsPolicy": "None",
            "dnsConfig": {"nameservers": ["192.0.2.1"], "options": [{"name": "ndots", "value": "2"}]},
        },
        "cat /etc/resolv.conf",
        "nameserver 192.0.2.1\noptions ndots:2\n",
    ),
    "fields": (
        {
            "metadata": {"labels": {"app": "x"}, "annotations": {"note": "y"}},
            "container": {
                "resources": RESOURCES,
                "env": [
                    *variables(
                        A=field("metadata.name"),
                        B=field("metadata.labels['app']"),
                        C=field("spec.nodeName"),
                        D=field("status.hostIP"),
                        E=resource("limits.cpu"),
                        F=resource("requests.cpu", "1m"),
                        G=resource("limits.memory", "1Mi"),
                    ),
                    {"name": "H", "value": "$(A)-$$(A)-$(NONE)"},
                ],
            },
        },
        "echo $A $B $C $D $E $F $G $H",
        f"fields x {NODE} 127.0.0.1 2 250 64 fields-$(A)-$(NONE)\n",
    ),
    "downward-files": (
        {
            "metadata": {"labels": {"b": "2", "a": "1"}},
            **with_volume(
                {
                    "downwardAPI": {
                        "defaultMode": 0o400,
                        "items": [
                            {"path": "labels", **field("metadata.labels")},
                            {"path": "deep/cpu", **resource("requests.cpu", "1m"), "mode": 0o444},
                        ],
                    }
                },
                resources=RESOURCES,
            ),
        },
        "cat /v/labels; echo; cat /v/deep/cpu; stat -Lc ' %a' /v/labels /v/deep/cpu",
        'a="1"\nb="2"\n250 400\n 444\n',
    ),
    "projected": (
        with_volume(
            {
                "projected": {
                    "sources": [
                        {"configMap": {"name": "settings", "items": [{"key": "k", "path": "a/k"}]}},
                        {"downwardAPI": {"items": [{"path": "name", **field("metadata.name")}]}},
                        {"configMap": {"name": "none", "optional": True}},
                    ]
                }
            }
        ),
        "cd /v; ls; cat a/k name",
        "a\nname\nvalueprojected",
    ),
    "sub-path": (
        with_volume(
            {"emptyDir": {}},
            {},
            {"mountPath": "/one", "subPath": "deep/er"},
            {"mountPath": "/two", "subPathExpr": "$(POD)/x"},
            env=variables(POD=field("metadata.name")),
        ),
        "touch /one/a /two/b; cd /v; find . -type f | sort",
        "./deep/er/a\n./sub-path/x/b\n",
    ),
    "memory": (
        with_volume({"emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}}),
        "df -k /v | awk 'END{print $2}'; stat -c %a /v",
        "1024\n777\n",
    ),
    "config-file": (
        with_volume({"configMap": {"name": "settings"}}, {"mountPath": "/etc/k", "subPath": "k", "readOnly": True}),
        "cat /etc/k; (echo x > /etc/k) 2>/dev/null || echo no",
        "valueno\n",
    ),
    "env-file": (
        {
            "initContainers": [
                {
                    "name": "i",
                    "image": images.DEMO_IMAGE,
                    "command": ["sh", "-c", "echo \"A='written'\" > /v/env"],
                    "volumeMounts": [{"name": "v", "mountPath": "/v"}],
                }
            ],
            "volumes": [{"name": "v", "emptyDir": {}}],
            "container": {"env": variables(A={"fileKeyRef": {"volumeName": "v", "path": "env", "key": "A"}})},
        },
        "echo $A",
        "written\n",
    ),
    "environment": (
        {"container": {"envFrom": [{"prefix": "P_", "configMapRef": {"name": "settings"}}], "workingDir": "/home"}},
        "echo $P_k; pwd",
        "value\n/home\n",
    ),
}


async def test_what_programs_find(node: Node) -> None:
    await node.cluster.apply(
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}, "data": {"k": "value"}}
    )
    for name, (spec, script, _) in CASES.items():
        await node.run(name, "sh", "-c", script, restartPolicy="Never", **spec)
    printed = {}
    for name in CASES:
        pod = await node.until(name, lambda pod: pod.status.phase in ("Succeeded", "Failed"))
        printed[name] = await node.log(name)
        assert pod.status.phase == "Succeeded" or printed[name], (name, pod.status.containerStatuses)
    assert printed == {name: expected for name, (_, _, expected) in CASES.items()}


async def test_who_may_not_start(node: Node) -> None:
    missing = with_volume({"configMap": {"name": "none"}})
    no_root = {"securityContext": {"runAsNonRoot": True}}
    wrong_env = {"container": {"env": variables(A={"secretKeyRef": {"name": "none", "key": "k"}})}}
    unsafe = {"securityContext": {"sysctls": [{"name": "kernel.msgmax", "value": "1"}]}}
    for name, spec in {"root": no_root, "env": wrong_env, "unsafe": unsafe, "files": missing}.items():
        await node.run(name, **spec)

    async def waiting(name: str) -> str:
        def has_message(pod: core.Pod) -> bool:
            return any(one.state.waiting and one.state.waiting.message for one in pod.status.containerStatuses)

        pod = await node.until(name, has_message)
        found = pod.status.containerStatuses[0].state.waiting
        assert found is not None
        return f"{found.reason}: {found.message}"

    assert "CreateContainerConfigError: container has runAsNonRoot and image will run as root" in await waiting("root")
    assert await waiting("env") == 'CreateContainerConfigError: secret "none" not found'
    rejected = await node.until("unsafe", lambda pod: pod.status.phase == "Failed")
    assert rejected.status.reason == "SysctlForbidden"
    assert 'MountVolume.SetUp failed for volume "v" : configmap "none" not found' in await node.event("files")
