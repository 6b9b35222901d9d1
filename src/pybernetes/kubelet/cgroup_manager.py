"""Makes, sets and removes control groups, in every hierarchy (cgroup v1) or the one there is (v2).

Upstream: pkg/kubelet/cm (cgroup_manager_linux.go, pod_container_manager_linux.go), opencontainers/cgroups.
"""

import os
import pathlib
import signal
from collections.abc import Callable, Iterable, Mapping

from pybernetes.api import qos
from pybernetes.api.types import core
from pybernetes.kubelet import cgroups, resources

_ROOT = pathlib.Path("/sys/fs/cgroup")
_WANTED_V2 = ("cpu", "cpuset", "memory", "pids", "hugetlb")
_CPUSET = ("cpuset.cpus", "cpuset.mems")


class Hierarchies:
    """Where control groups live on this machine: controller → mount point (v2: one for all)."""

    def __init__(self, version: int, mounts: Mapping[str, pathlib.Path]) -> None:
        self.version = version
        self._mounts = mounts

    @classmethod
    def find(cls) -> "Hierarchies":
        """This machine's; raises OSError when it has none."""
        controllers = _ROOT / "cgroup.controllers"
        if controllers.exists():
            return cls(2, dict.fromkeys(controllers.read_text().split(), _ROOT))
        mounts: dict[str, pathlib.Path] = {}
        for line in pathlib.Path("/proc/self/mountinfo").read_text().splitlines():
            fields, _, rest = line.partition(" - ")
            kind, _, options = rest.split(" ", 2)
            if kind == "cgroup2":
                options = "unified"  # without controllers, but runtimes make groups there too
            elif kind != "cgroup":
                continue
            for name in options.split(","):
                if name not in ("rw", "ro", "clone_children", "xattr"):
                    mounts.setdefault(name.removeprefix("name="), pathlib.Path(fields.split()[4]))
        if "cpu" not in mounts or "memory" not in mounts:
            raise OSError("no control groups: neither cgroup v2 nor the cpu and memory hierarchies of v1 are mounted")
        return cls(1, mounts)

    @property
    def counts_swap(self) -> bool:
        """Whether swap can be limited."""
        if self.version == 2:
            return pathlib.Path("/proc/swaps").exists()
        return (self._mounts["memory"] / "memory.memsw.limit_in_bytes").exists()

    def _directories(self, group: str) -> Iterable[pathlib.Path]:
        return (place / group.strip("/") for place in dict.fromkeys(self._mounts.values()))

    def exists(self, group: str) -> bool:
        """Whether the group is there, everywhere."""
        return all(one.is_dir() for one in self._directories(group))

    def create(self, group: str) -> None:
        """Make the group and those above it; harmless when it is there."""
        for directory in self._directories(group):
            base = next(place for place in self._mounts.values() if directory.is_relative_to(place))
            for parent in reversed([one for one in (directory, *directory.parents) if one.is_relative_to(base)]):
                is_new = not parent.exists()
                if is_new:
                    parent.mkdir()
                if self.version == 2 and parent != directory:
                    _delegate(parent)
                elif self.version == 1 and is_new:
                    _inherit_cpuset(parent)

    def write(self, group: str, limits: cgroups.Limits) -> None:
        """Write the group's settings; the error of the first that is refused."""
        for controller, file, text in cgroups.files(limits, self.version):
            if controller in self._mounts:
                self.path(controller, group, file).write_text(text)

    def path(self, controller: str, group: str, file: str) -> pathlib.Path:
        """A file of a group."""
        return self._mounts[controller] / group.strip("/") / file

    def read(self, controller: str, group: str, file: str) -> str:
        """The content of a file, empty when it is not there."""
        try:
            return self.path(controller, group, file).read_text()
        except (FileNotFoundError, KeyError):
            return ""

    def children(self, group: str) -> set[str]:
        """Names of the groups below, in any hierarchy."""
        found = (one for place in self._directories(group) if place.is_dir() for one in place.iterdir())
        return {one.name for one in found if one.is_dir()}

    def remove(self, group: str) -> None:
        """End what still runs in the group and below, then remove it; harmless when it is gone."""
        for top in self._directories(group):
            for directory, _, _ in os.walk(top, topdown=False):
                place = pathlib.Path(directory)
                for pid in (place / "cgroup.procs").read_text().split():
                    os.kill(int(pid), signal.SIGKILL)
                place.rmdir()


def _delegate(directory: pathlib.Path) -> None:
    """Cgroup v2: let the groups below have the controllers that this one has."""
    available = (directory / "cgroup.controllers").read_text().split()
    enabled = (directory / "cgroup.subtree_control").read_text().split()
    for name in _WANTED_V2:
        if name in available and name not in enabled:
            (directory / "cgroup.subtree_control").write_text(f"+{name}")


def _inherit_cpuset(directory: pathlib.Path) -> None:
    """Cgroup v1: a new cpuset is empty, and no process may enter it before it has cores and memory."""
    for name in _CPUSET:
        if (directory / name).exists():
            (directory / name).write_text((directory.parent / name).read_text())


class PodGroups:
    """The groups of this node's pods."""

    def __init__(self, root: str, hierarchies: Hierarchies, node: resources.Node, pids: int | None = None) -> None:
        self._root = root
        self._hierarchies = hierarchies
        self._node = node
        self._pids = pids
        self._given: dict[str, cgroups.Limits] = {}
        """by pod uid"""
        self.pods: Callable[[], Iterable[core.Pod]] = tuple
        """The pods that run now"""

    def start(self, allocatable: Mapping[str, str]) -> None:
        """Make the groups of the node and its classes."""
        top = cgroups.kubepods(self._root)
        for below in cgroups.CLASSES.values():
            self._hierarchies.create(top + below)
        self._hierarchies.write(top, cgroups.of_node(allocatable))
        self.weigh()

    def weigh(self) -> None:
        """Set the weights of the classes to what their pods ask for."""
        pods = list(self.pods())
        for name in (qos.BURSTABLE, qos.BEST_EFFORT):
            group = cgroups.kubepods(self._root) + cgroups.CLASSES[name]
            self._hierarchies.write(group, cgroups.of_class(name, pods))

    def parent(self, pod: core.Pod) -> str:
        """Where the runtime shall put the pod's containers."""
        return cgroups.pod_group(self._root, pod)

    def ensure(self, pod: core.Pod) -> None:
        """Have the pod's group, with its limits."""
        group = self.parent(pod)
        if not self._hierarchies.exists(group):
            self._hierarchies.create(group)
            self._given.pop(pod.metadata.uid, None)
            self.resize(pod)

    def resize(self, pod: core.Pod) -> None:
        """Give the pod's group the limits that its spec asks for now."""
        limits = cgroups.of_pod(pod, self._node, self._pids)
        if self._given.get(pod.metadata.uid) != limits:
            self._hierarchies.write(self.parent(pod), limits)
            self._given[pod.metadata.uid] = limits
            self.weigh()

    def group(self, pod: core.Pod, container_id: str) -> str:
        """Where the runtime has put a container."""
        return f"{self.parent(pod)}/{container_id}"

    def cpu_statistics(self, pod: core.Pod, container_id: str) -> cgroups.CpuStatistics:
        """How often a container was held back."""
        return cgroups.cpu_statistics(self._hierarchies.read("cpu", self.group(pod, container_id), "cpu.stat"))

    def remove(self, pod: core.Pod) -> None:
        """The pod is gone."""
        self._given.pop(pod.metadata.uid, None)
        self._hierarchies.remove(self.parent(pod))
        self.weigh()

    def remove_unknown(self, is_live: Callable[[str], bool]) -> None:
        """Remove groups of pods that are gone."""
        for below in cgroups.CLASSES.values():
            top = cgroups.kubepods(self._root) + below
            for name in self._hierarchies.children(top):
                uid = cgroups.pod_uid(name)
                if uid and not is_live(uid):
                    self._hierarchies.remove(f"{top}/{name}")
