"""What a container finds around it: variables, mounts, /etc/hosts, the file for its last words.

Path: 15 CRI starts sandbox and containers.
Upstream: pkg/kubelet/kubelet_pods.go (GenerateRunContainerOptions, makeMounts).
"""

import dataclasses
import pathlib
import secrets
from collections.abc import Callable, Mapping

from pybernetes.api.types import core
from pybernetes.kubelet import config as configs
from pybernetes.kubelet import container_starter, environment, naming, runtime_status
from pybernetes.kubelet.cri import convert
from pybernetes.kubelet.volumes import manager, objects


class RealSurroundings:
    """Files and mounts on a real node."""

    def __init__(
        self,
        config: configs.KubeletConfig,
        cache: objects.ObjectCache,
        volumes: manager.VolumeManager,
        sources: Callable[[core.Pod, tuple[str, ...]], environment.Sources],
    ) -> None:
        self._config = config
        self._cache = cache
        self._volumes = volumes
        self._sources = sources

    async def prepare(
        self, pod: core.Pod, container: runtime_status.AnyContainer, ips: tuple[str, ...], attempt: int
    ) -> container_starter.Surroundings:
        """Everything for one start of a container."""
        variables = await self._environment(pod, container, ips)
        mounts = self._volumes.container_mounts(pod, container, variables)
        claimed = {one.container_path for one in mounts}
        if "/etc/hosts" not in claimed and (ips or pod.spec.hostNetwork):
            mounts.append(self._hosts_mount(pod, ips))
        if container.terminationMessagePath:
            mounts.append(self._termination_mount(pod, container))
        return container_starter.Surroundings(variables, mounts)

    async def _environment(
        self, pod: core.Pod, container: runtime_status.AnyContainer, ips: tuple[str, ...]
    ) -> dict[str, str]:
        sources = dataclasses.replace(
            self._sources(pod, ips), files=lambda volume, path: self._volumes.read_file(pod, volume, path)
        )
        config_maps, hidden = environment.references(container)
        if config_maps or hidden:
            namespace = pod.metadata.namespace
            sources = dataclasses.replace(
                sources,
                config_maps=await self._cache.get_all(core.ConfigMap, namespace, config_maps),
                secrets=await self._cache.get_all(core.Secret, namespace, hidden),
            )
        return environment.make(pod, container, sources)

    def _hosts_mount(self, pod: core.Pod, ips: tuple[str, ...]) -> convert.Mount:
        path = self._config.pod_dir(pod.metadata.uid) / "etc-hosts"
        if pod.spec.hostNetwork:
            text = naming.host_network_hosts_file(pod, pathlib.Path("/etc/hosts").read_text(encoding="utf-8"))
        else:
            host, domain = naming.host_name(pod, self._config.cluster_domain)
            text = naming.hosts_file(pod, ips, host.partition(".")[0] if domain else host, domain)
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            path.chmod(0o644)
        return convert.Mount("/etc/hosts", str(path))

    def _termination_mount(self, pod: core.Pod, container: runtime_status.AnyContainer) -> convert.Mount:
        directory = self._config.pod_dir(pod.metadata.uid) / "containers" / container.name
        directory.mkdir(parents=True, exist_ok=True)
        path = directory / secrets.token_hex(4)
        path.touch()
        path.chmod(0o666)  # whatever user the container runs as must be able to write
        return convert.Mount(container.terminationMessagePath, str(path))


class SimulatedSurroundings:
    """Nothing but the plain variables: a simulated node has no files."""

    async def prepare(
        self, pod: core.Pod, container: runtime_status.AnyContainer, ips: tuple[str, ...], attempt: int
    ) -> container_starter.Surroundings:
        """Variables with a value of their own."""
        variables: Mapping[str, str] = {one.name: one.value for one in container.env if one.valueFrom is None}
        return container_starter.Surroundings(dict(variables))
