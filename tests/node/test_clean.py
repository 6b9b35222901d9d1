"""What clusters leave behind: two of them side by side, counted before and after.

The count is exact, whatever else the machine does: the clusters run in namespaces made for them (processes, mounts,
network), where nothing else is. This file is the program that runs there, too.
"""

import json
import os
import pathlib
import subprocess
import sys

import pytest

pytestmark = [pytest.mark.node, pytest.mark.slow]

EVERYWHERE = {
    "apiVersion": "apps/v1",
    "kind": "DaemonSet",
    "metadata": {"name": "everywhere"},
    "spec": {
        "selector": {"matchLabels": {"app": "everywhere"}},
        "template": {
            "metadata": {"labels": {"app": "everywhere"}},
            "spec": {
                "containers": [
                    {
                        "name": "web",
                        "image": "localhost/pybernetes/demo:1",
                        "imagePullPolicy": "IfNotPresent",
                        "ports": [{"containerPort": 8080, "hostPort": 18080}],
                        "volumeMounts": [{"name": "memory", "mountPath": "/memory"}],
                    }
                ],
                "volumes": [{"name": "memory", "emptyDir": {"medium": "Memory"}}],
            },
        },
    },
}
PREPARE = """mount --make-rprivate / && mount -t tmpfs none /run && ip link set lo up || exit 1
ip netns add first && ip netns del first # whoever is the first leaves /run/netns as it shall be
exec "$@"
"""


def test_nothing_is_left_behind(tmp_path: pathlib.Path) -> None:
    """Two clusters of two nodes, `up` three times, `down` and `up` again; `down --delete` leaves nothing."""
    if not pathlib.Path(sys.executable).with_name("kubectl").exists():
        pytest.skip("needs kubectl (the extra `test` brings it)")
    apart = ["unshare", "--net", "--mount", "--uts", "--pid", "--fork", "--mount-proc", "--kill-child"]
    command = [*apart, "sh", "-c", PREPARE, "sh", sys.executable, __file__, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout)
    assert found["before"].keys() == found["after"].keys()
    for what, before in found["before"].items():
        assert {*found["during"][what]} - {*before}, f"nothing was counted: {what}"
        assert {*found["after"][what]} - {*before} == set(), what


def _lines(*command: str) -> list[str]:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()


def _count(files: pathlib.Path) -> dict[str, list[str]]:
    """Everything of each sort that there is now."""
    processes = [path for path in pathlib.Path("/proc").iterdir() if path.name.isdecimal()]
    commands = [(path / "cmdline").read_bytes().replace(b"\0", b" ").decode() for path in processes]
    cgroups = [where for where, _, _ in os.walk("/sys/fs/cgroup") if "pybernetes-" in where]
    places = (pathlib.Path("/run"), files)
    return {
        # without a command line: ended, and nobody here to collect it
        "processes": sorted(command for command in commands if command),
        "mounts": sorted(line.split()[1] for line in _lines("cat", "/proc/mounts")),
        "namespaces": sorted(_lines("ip", "netns", "list")),
        "links": sorted(line.split()[0] for line in _lines("ip", "-br", "link")),
        "routes": sorted(_lines("ip", "route", "show", "table", "all")),
        "rules": sorted({*_lines("nft", "list", "ruleset")}),
        "cgroups": sorted(one for one in cgroups if _is_ours(one)),
        "files": sorted(str(path) for place in places for path in place.rglob("*") if _counts(path)),
    }


def _counts(path: pathlib.Path) -> bool:
    """Any file, and any directory but containerd's empty ones in the one place that it has for all."""
    return not path.is_dir() or "clean-" in str(path) or "pybernetes" in str(path)


def _is_ours(cgroup: str) -> bool:
    return any(f"pybernetes-{link}-" in cgroup for link in LINKS)


NAMES = (f"clean-a-{os.getpid()}", f"clean-b-{os.getpid()}")
LINKS: list[str] = []


def _main(files: pathlib.Path) -> None:
    from pybernetes.cluster import config as configs

    LINKS.extend(configs.ClusterConfig(name=name).link for name in NAMES)

    def pybernetes(command: str, name: str, *arguments: str) -> None:
        where = ("--name", name, "--data-dir", str(files / name))
        done = subprocess.run(
            [sys.executable, "-m", "pybernetes", command, *where, *arguments],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def up(name: str) -> None:
        pybernetes("up", name, "--nodes", "2", "--port", "0", "--kubeconfig", str(files / "kubeconfig"))

    def kubectl(name: str, *arguments: str, stdin: str = "") -> None:
        program = pathlib.Path(sys.executable).with_name("kubectl")
        context = ("--kubeconfig", str(files / "kubeconfig"), "--context", f"pybernetes-{name}")
        subprocess.run([str(program), *context, *arguments], input=stdin, text=True, check=True, stdout=sys.stderr)

    before = _count(files)
    for name in NAMES:
        up(name)
        kubectl(name, "apply", "-f", "-", stdin=json.dumps(EVERYWHERE))
    for _ in range(2):
        up(NAMES[0])
    for name in NAMES:
        kubectl(name, "rollout", "status", "daemonset/everywhere", "--timeout=60s")
    pybernetes("down", NAMES[0])
    up(NAMES[0])
    kubectl(NAMES[0], "rollout", "status", "daemonset/everywhere", "--timeout=60s")
    during = _count(files)
    for name in NAMES:
        pybernetes("down", name, "--delete")
    (files / "kubeconfig").unlink()
    print(json.dumps({"before": before, "during": during, "after": _count(files)}))


if __name__ == "__main__":
    _main(pathlib.Path(sys.argv[1]))
