from collections.abc import Callable
from typing import Any

import pytest

from pybernetes.api.types import core
from pybernetes.kubelet import naming, resources
from pybernetes.kubelet.cri import convert

MakePod = Callable[..., core.Pod]
SANDBOX = convert.SandboxOptions("/logs", naming.Resolver(("10.96.0.10",), ("a",), ("ndots:5",)), "web")


def context(make_pod: MakePod, *, options: dict[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
    pod = make_pod(**spec)
    made = convert.ContainerOptions(image_ref="img", attempt=0, environment={}, **(options or {}))
    return convert.security_context(pod, pod.spec.containers[0], made)


def container(**more: Any) -> list[dict[str, Any]]:
    return [{"name": "c", "image": "img", **more}]


def test_sandbox(make_pod: MakePod) -> None:
    pod = make_pod(
        metadata={"labels": {"app": "web"}, "annotations": {"n": "x"}},
        containers=container(ports=[{"containerPort": 80, "hostPort": 8080}, {"containerPort": 81}]),
        securityContext={
            "fsGroup": 5,
            "supplementalGroups": [6],
            "runAsUser": 7,
            "sysctls": [{"name": "net.a/b", "value": "1"}],
        },
    )
    assert convert.sandbox_config(pod, 2, SANDBOX) == {
        "metadata": {"name": "web", "namespace": "shop", "uid": "u-1", "attempt": 2},
        "hostname": "web",
        "log_directory": "/logs",
        "dns_config": {"servers": ["10.96.0.10"], "searches": ["a"], "options": ["ndots:5"]},
        "port_mappings": [{"host_port": 8080, "container_port": 80, "protocol": "TCP", "host_ip": ""}],
        "labels": {
            "app": "web",
            "io.kubernetes.pod.name": "web",
            "io.kubernetes.pod.namespace": "shop",
            "io.kubernetes.pod.uid": "u-1",
        },
        "annotations": {"n": "x"},
        "linux": {
            "sysctls": {"net.a.b": "1"},
            "security_context": {
                "namespace_options": {"network": "POD", "ipc": "POD", "pid": "CONTAINER"},
                "privileged": False,
                "seccomp": {"profile_type": "RuntimeDefault"},
                "run_as_user": {"value": 7},
                "supplemental_groups": [5, 6],
            },
        },
    }


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({}, {"network": "POD", "ipc": "POD", "pid": "CONTAINER"}),
        ({"hostNetwork": True, "hostPID": True, "hostIPC": True}, {"network": "NODE", "ipc": "NODE", "pid": "NODE"}),
        ({"shareProcessNamespace": True}, {"network": "POD", "ipc": "POD", "pid": "POD"}),
    ],
)
def test_namespaces(make_pod: MakePod, spec: dict[str, Any], expected: dict[str, str]) -> None:
    assert convert.namespace_options(make_pod(**spec)) == expected


def test_debug_containers_join_their_target(make_pod: MakePod) -> None:
    assert convert.namespace_options(make_pod(), "id-1")["target_id"] == "id-1"
    assert "target_id" not in convert.namespace_options(make_pod(shareProcessNamespace=True), "id-1")


def test_container(make_pod: MakePod) -> None:
    pod = make_pod(
        terminationGracePeriodSeconds=30,
        containers=container(
            command=["run", "$(A)"],
            args=["$(B)"],
            workingDir="/w",
            tty=True,
            terminationMessagePath="/dev/termination-log",
            terminationMessagePolicy="File",
            resources={side: {"cpu": "1", "memory": "1Mi"} for side in ("requests", "limits")},
            lifecycle={"preStop": {"exec": {"command": ["x"]}}, "stopSignal": "SIGUSR1"},
        ),
    )
    options = convert.ContainerOptions(
        image_ref="sha256:1",
        attempt=3,
        environment={"A": "1"},
        mounts=[convert.Mount("/d", "/host", True, "HostToContainer")],
        devices=["/dev/x"],
        node=resources.Node(memory_capacity=2**30),
    )
    config = convert.container_config(pod, pod.spec.containers[0], options)
    assert (config["command"], config["args"]) == (["run", "1"], ["$(B)"])
    assert config["metadata"] == {"name": "c", "attempt": 3}
    assert config["image"] == {"image": "sha256:1"}
    assert config["envs"] == [{"key": "A", "value": "1"}]
    assert config["log_path"] == "c/3.log"
    assert config["mounts"] == [
        {
            "container_path": "/d",
            "host_path": "/host",
            "readonly": True,
            "propagation": "PROPAGATION_HOST_TO_CONTAINER",
        }
    ]
    assert config["devices"] == [{"host_path": "/dev/x", "container_path": "/dev/x", "permissions": "mrw"}]
    assert config["stop_signal"] == "SIGUSR1"
    assert config["annotations"]["io.kubernetes.container.restartCount"] == "3"
    assert config["annotations"]["io.kubernetes.pod.terminationGracePeriod"] == "30"
    assert config["annotations"]["io.kubernetes.container.preStopHandler"] == '{"exec":{"command":["x"]}}'
    assert config["linux"]["resources"] == {
        "cpu_shares": 1024,
        "cpu_period": 100000,
        "cpu_quota": 100000,
        "memory_limit_in_bytes": 1048576,
        "oom_score_adj": -997,
    }


@pytest.mark.parametrize(
    ("spec", "options", "expected"),
    [
        ({}, {"image_uid": 7}, {"run_as_user": {"value": 7}}),
        ({}, {"image_user": "app"}, {"run_as_username": "app"}),
        ({"securityContext": {"runAsUser": 5}}, {"image_uid": 7}, {"run_as_user": {"value": 5}}),
        (
            {"securityContext": {"runAsUser": 5}, "containers": container(securityContext={"runAsUser": 6})},
            {},
            {"run_as_user": {"value": 6}},
        ),
        ({"containers": container(securityContext={"privileged": True})}, {}, {"privileged": True}),
        ({"containers": container(securityContext={"allowPrivilegeEscalation": False})}, {}, {"no_new_privs": True}),
        (
            {"containers": container(securityContext={"capabilities": {"add": ["A"], "drop": ["ALL"]}})},
            {},
            {"capabilities": {"add_capabilities": ["A"], "drop_capabilities": ["ALL"]}},
        ),
        (
            {"securityContext": {"seccompProfile": {"type": "RuntimeDefault"}}},
            {},
            {"seccomp": {"profile_type": "RuntimeDefault"}},
        ),
        (
            {"securityContext": {"seccompProfile": {"type": "Localhost", "localhostProfile": "p.json"}}},
            {},
            {"seccomp": {"profile_type": "Localhost", "localhost_ref": "p.json"}},
        ),
        ({}, {}, {"seccomp": {"profile_type": "Unconfined"}}),
        ({"containers": container(securityContext={"readOnlyRootFilesystem": True})}, {}, {"readonly_rootfs": True}),
    ],
)
def test_security_context(
    make_pod: MakePod, spec: dict[str, Any], options: dict[str, Any], expected: dict[str, Any]
) -> None:
    found = context(make_pod, options=options, **spec)
    assert {name: found[name] for name in expected} == expected


def test_proc_is_masked_unless_it_must_not_be(make_pod: MakePod) -> None:
    assert "/proc/kcore" in context(make_pod)["masked_paths"]
    assert "masked_paths" not in context(make_pod, containers=container(securityContext={"procMount": "Unmasked"}))


@pytest.mark.parametrize(
    ("security", "uid", "user", "message"),
    [
        ({}, 0, "", "container has runAsNonRoot and image will run as root"),
        ({}, None, "app", "image has non-numeric user (app), cannot verify user is non-root"),
        ({"runAsUser": 0}, 7, "", "container's runAsUser breaks non-root policy"),
        ({"runAsUser": 5}, 0, "", ""),
        ({}, 7, "", ""),
    ],
)
def test_non_root(make_pod: MakePod, security: dict[str, Any], uid: int | None, user: str, message: str) -> None:
    pod = make_pod(containers=container(securityContext={"runAsNonRoot": True, **security}))
    if not message:
        convert.verify_not_root(pod, pod.spec.containers[0], uid, user)
        return
    with pytest.raises(convert.RunAsRootError) as failure:
        convert.verify_not_root(pod, pod.spec.containers[0], uid, user)
    assert message in str(failure.value)
    assert str(failure.value).endswith('(pod: "web_shop(u-1)", container: c)')


def test_messages_fit_the_protocol(make_pod: MakePod) -> None:
    """Every name and type is what the CRI's own messages have."""
    api = pytest.importorskip("cri_api.v1.api_pb2")
    pod = make_pod(securityContext={"runAsUser": 1, "seLinuxOptions": {"level": "s0"}})
    options = convert.ContainerOptions(image_ref="i", attempt=0, environment={"A": "1"}, image_uid=5)
    api.PodSandboxConfig(**convert.sandbox_config(pod, 0, SANDBOX))
    message = api.ContainerConfig(**convert.container_config(pod, pod.spec.containers[0], options))
    assert message.linux.security_context.run_as_user.value == 1


def test_image_volumes_are_mounted_by_the_runtime(make_pod: MakePod) -> None:
    mount = core.VolumeMount(name="v", mountPath="/v", subPath="deep")
    assert convert.image_mount(mount, "sha256:1", "img:1") == {
        "container_path": "/v",
        "readonly": True,
        "image": {"image": "sha256:1", "user_specified_image": "img:1"},
        "image_sub_path": "deep",
    }
