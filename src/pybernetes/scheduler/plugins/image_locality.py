"""ImageLocality: better where the Pod's images already are, the more so the larger they are.

Upstream: plugins/imagelocality. Pure.
"""

from collections.abc import Sequence

from pybernetes.api.types import core
from pybernetes.scheduler import framework
from pybernetes.scheduler.node_info import NodeInfo, PodInfo

_MB = 1024 * 1024
MIN_THRESHOLD = 23 * _MB
MAX_CONTAINER_THRESHOLD = 1000 * _MB


class ImageLocality:
    """The plugin."""

    name = "ImageLocality"

    def __init__(self, snapshot: framework.Snapshot) -> None:
        self._snapshot = snapshot

    def score(self, state: framework.CycleState, pod: PodInfo, nodes: Sequence[NodeInfo]) -> list[int]:
        """The size of the images that are there, less for those that few nodes have."""
        names = image_names(pod.pod)
        most = MAX_CONTAINER_THRESHOLD * len(names)
        if not any(name in self._snapshot.images for name in names):
            return [0] * len(nodes)
        node_count = len(self._snapshot.nodes)
        scores = []
        for node in nodes:
            present = node.image_states
            total = 0
            for name in names:
                image = present.get(name)
                if image is not None:
                    total += int(image.size * (len(image.nodes) / node_count))
            total = max(MIN_THRESHOLD, min(total, most))
            scores.append(100 * (total - MIN_THRESHOLD) // (most - MIN_THRESHOLD))
        return scores


def image_names(pod: core.Pod) -> list[str]:
    """Every image the Pod needs, as nodes report them."""
    spec = pod.spec
    volumes = (volume.image.reference for volume in spec.volumes if volume.image is not None)
    containers = (container.image for container in (*spec.initContainers, *spec.containers))
    return [normalized(name) for name in (*containers, *volumes)]


def normalized(name: str) -> str:
    """With a tag."""
    return f"{name}:latest" if name.rfind(":") <= name.rfind("/") else name
