"""The extension points of scheduling, and the vocabulary they share.

A Pod goes through them in this order, each answered by the plugins of its profile:

    PreEnqueue → QueueSort → PreFilter → Filter → (PostFilter) → PreScore → Score → NormalizeScore
    → Reserve → Permit → PreBind → Bind → PostBind

A plugin is an object with a `name` and the methods of the points it takes part in. Success is None, so that the common
case costs nothing; anything else is a `Status`, which plugins make once and share.
Unlike upstream, Score takes all nodes in one call: one loop in the plugin instead of one call for each node.
Upstream: kube-scheduler/framework/interface.go, pkg/scheduler/framework. Pure.
"""

import enum
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, runtime_checkable

from pybernetes.api.types import core
from pybernetes.scheduler.cluster_events import EventWithHint
from pybernetes.scheduler.node_info import ImageState, NodeInfo, PodInfo

MAX_NODE_SCORE = 100


class Code(enum.IntEnum):
    """What a plugin answers; success is the absence of a status."""

    SUCCESS = 0
    ERROR = 1
    UNSCHEDULABLE = 2
    UNSCHEDULABLE_AND_UNRESOLVABLE = 3
    """Not even removing other Pods would help."""
    WAIT = 4
    SKIP = 5
    PENDING = 6

    @property
    def rejected(self) -> bool:
        """The plugin said no (and did not merely fail)."""
        return self in (Code.UNSCHEDULABLE, Code.UNSCHEDULABLE_AND_UNRESOLVABLE, Code.PENDING)


_CODE_NAMES = {
    Code.SUCCESS: "Success",
    Code.ERROR: "Error",
    Code.UNSCHEDULABLE: "Unschedulable",
    Code.UNSCHEDULABLE_AND_UNRESOLVABLE: "UnschedulableAndUnresolvable",
    Code.WAIT: "Wait",
    Code.SKIP: "Skip",
    Code.PENDING: "Pending",
}


class Status:
    """An answer other than success. `plugin` says whose; `error` is the cause of an ERROR."""

    __slots__ = ("code", "error", "plugin", "reasons")

    def __init__(self, code: Code, *reasons: str, plugin: str = "", error: Exception | None = None) -> None:
        self.code = code
        self.reasons = reasons or ((str(error),) if error is not None else ())
        self.plugin = plugin
        self.error = error

    @property
    def message(self) -> str:
        """All reasons in one line."""
        return ", ".join(self.reasons)

    @property
    def rejected(self) -> bool:
        """The plugin said no."""
        return self.code.rejected

    def of(self, plugin: str) -> "Status":
        """The same, said by that plugin."""
        return self if self.plugin == plugin else Status(self.code, *self.reasons, plugin=plugin, error=self.error)

    def __repr__(self) -> str:
        return f"<{_CODE_NAMES[self.code]} {self.plugin}: {self.message}>"


def unschedulable(plugin: str, *reasons: str) -> Status:
    """No, unless other Pods go away."""
    return Status(Code.UNSCHEDULABLE, *reasons, plugin=plugin)


def unresolvable(plugin: str, *reasons: str) -> Status:
    """No, whatever happens to other Pods."""
    return Status(Code.UNSCHEDULABLE_AND_UNRESOLVABLE, *reasons, plugin=plugin)


def as_status(error: Exception, plugin: str = "") -> Status:
    """A failure, which is nobody's verdict about the Pod."""
    return Status(Code.ERROR, plugin=plugin, error=error)


SKIP = Status(Code.SKIP)
"""This plugin has nothing to say about the Pod: do not ask it about nodes."""


class PluginFailed(Exception):
    """A plugin could not answer."""


class CycleState(dict[str, Any]):
    """What plugins keep for themselves while one Pod is scheduled; values may have `clone()`."""

    def __init__(self) -> None:
        super().__init__()
        self.skip_filter: set[str] = set()
        self.skip_score: set[str] = set()

    def clone(self) -> "CycleState":
        """A state to try things on."""
        result = CycleState()
        for key, value in self.items():
            clone = getattr(value, "clone", None)
            result[key] = value if clone is None else clone()
        result.skip_filter, result.skip_score = self.skip_filter, self.skip_score
        return result


class Snapshot(Protocol):
    """The nodes as one scheduling cycle sees them."""

    @property
    def nodes(self) -> Sequence[NodeInfo]:
        """All of them."""

    @property
    def with_affinity(self) -> Mapping[str, NodeInfo]:
        """Those with a Pod that has any affinity to Pods."""

    @property
    def with_required_anti_affinity(self) -> Mapping[str, NodeInfo]:
        """Those with a Pod that keeps others away."""

    @property
    def images(self) -> Mapping[str, ImageState]:
        """Every image that some node has."""

    @property
    def epoch(self) -> int:
        """Changes when nodes come or go."""

    @property
    def generation(self) -> int:
        """Of the node that changed last."""

    def changed_since(self, generation: int) -> Iterable[NodeInfo]:
        """Nodes with a later one."""

    def get(self, name: str) -> NodeInfo | None:
        """One node."""


class PreFilterResult(NamedTuple):
    """Only these nodes need to be looked at."""

    node_names: frozenset[str]


PreFilterAnswer = PreFilterResult | Status | None


class PostFilterResult(NamedTuple):
    """Where the Pod is expected to fit later; "" takes a former nomination back, None leaves it."""

    nominated_node_name: str | None


class QueuedPod(Protocol):
    """What QueueSort may look at."""

    @property
    def priority(self) -> int:
        """Of the Pod."""

    @property
    def timestamp(self) -> float:
        """When it came into the queue."""


class Plugin(Protocol):
    """The least a plugin is."""

    @property
    def name(self) -> str:
        """Upstream's name."""


@runtime_checkable
class EnqueueExtensions(Protocol):
    """Says which events may make the Pods it rejected schedulable. Without this, every event does."""

    def events_to_register(self) -> list[EventWithHint]:
        """The events, with hints."""


@runtime_checkable
class PreEnqueuePlugin(Protocol):
    """Holds Pods back from the active queue."""

    def pre_enqueue(self, pod: PodInfo) -> Status | None:
        """None lets it in."""


@runtime_checkable
class QueueSortPlugin(Protocol):
    """Orders the queue; a profile has exactly one."""

    def sort_key(self, pod: QueuedPod) -> tuple[Any, ...]:
        """Smaller comes first."""


@runtime_checkable
class PreFilterPlugin(Protocol):
    """Looks at the Pod once before nodes are filtered."""

    def pre_filter(self, state: CycleState, pod: PodInfo, snapshot: Snapshot) -> PreFilterAnswer:
        """SKIP: `filter` need not be called for this Pod."""


@runtime_checkable
class PreFilterExtensions(Protocol):
    """Keeps a pre-filter state right while Pods are put on or taken off nodes for a trial."""

    def add_pod(self, state: CycleState, pod: PodInfo, added: PodInfo, node: NodeInfo) -> None:
        """`added` is now on the node."""

    def remove_pod(self, state: CycleState, pod: PodInfo, removed: PodInfo, node: NodeInfo) -> None:
        """`removed` is no longer on the node."""


@runtime_checkable
class FilterPlugin(Protocol):
    """Says whether a Pod can run on a node."""

    def filter(self, state: CycleState, pod: PodInfo, node: NodeInfo) -> Status | None:
        """None: it can."""


@runtime_checkable
class PostFilterPlugin(Protocol):
    """Tries to make room when no node fits."""

    def post_filter(
        self, state: CycleState, pod: PodInfo, statuses: "NodeToStatus"
    ) -> tuple[PostFilterResult | None, Status | None]:
        """The nomination, and None (with a message in `Status(SUCCESS)`) or the refusal."""


@runtime_checkable
class PreScorePlugin(Protocol):
    """Looks at the feasible nodes once before they are scored."""

    def pre_score(self, state: CycleState, pod: PodInfo, nodes: Sequence[NodeInfo]) -> Status | None:
        """SKIP: `score` need not be called for this Pod."""


@runtime_checkable
class ScorePlugin(Protocol):
    """Ranks feasible nodes."""

    def score(self, state: CycleState, pod: PodInfo, nodes: Sequence[NodeInfo]) -> list[int]:
        """One number for each node, of any size if `normalize` follows, else 0 to 100."""


@runtime_checkable
class ScoreExtensions(Protocol):
    """Brings scores into 0 to 100."""

    def normalize(self, state: CycleState, pod: PodInfo, nodes: Sequence[NodeInfo], scores: list[int]) -> None:
        """In place."""


@runtime_checkable
class ReservePlugin(Protocol):
    """Keeps its own books of what is taken."""

    def reserve(self, state: CycleState, pod: PodInfo, node_name: str) -> Status | None:
        """The Pod is about to be bound there."""

    def unreserve(self, state: CycleState, pod: PodInfo, node_name: str) -> None:
        """It is not, after all; must be harmless if `reserve` was never called."""


@runtime_checkable
class PermitPlugin(Protocol):
    """Lets binding go on, refuses it, or makes it wait."""

    def permit(self, state: CycleState, pod: PodInfo, node_name: str) -> tuple[Status | None, float]:
        """With a WAIT status: the seconds after which the Pod is refused."""


@runtime_checkable
class PreBindPlugin(Protocol):
    """Does what must be done before a Pod is bound (volumes)."""

    def pre_bind_pre_flight(self, state: CycleState, pod: PodInfo, node_name: str) -> bool:
        """Whether `pre_bind` will have anything to do."""

    async def pre_bind(self, state: CycleState, pod: PodInfo, node_name: str) -> Status | None:
        """None when done."""


@runtime_checkable
class BindPlugin(Protocol):
    """Binds."""

    async def bind(self, state: CycleState, pod: PodInfo, node_name: str) -> Status | None:
        """SKIP passes the Pod to the next bind plugin."""


@runtime_checkable
class PostBindPlugin(Protocol):
    """Is told that a Pod was bound."""

    def post_bind(self, state: CycleState, pod: PodInfo, node_name: str) -> None:
        """Nothing can go wrong any more."""


class NodeToStatus:
    """Why nodes were refused. Nodes that were not looked at share one status."""

    def __init__(self, absent: Status | None = None) -> None:
        self._statuses: dict[str, Status] = {}
        self.absent = absent or Status(Code.UNSCHEDULABLE_AND_UNRESOLVABLE)

    def __len__(self) -> int:
        return len(self._statuses)

    def get(self, node_name: str) -> Status:
        """The status of a node."""
        return self._statuses.get(node_name, self.absent)

    def set(self, node_name: str, status: Status) -> None:
        """Remember."""
        self._statuses[node_name] = status

    def items(self) -> Iterable[tuple[str, Status]]:
        """The nodes that were looked at."""
        return self._statuses.items()

    def nodes_for(self, snapshot: Snapshot, code: Code) -> list[NodeInfo]:
        """Nodes with exactly that code."""
        if self.absent.code == code:
            return [node for node in snapshot.nodes if self.get(node.name).code == code]
        found = (snapshot.get(name) for name, status in self._statuses.items() if status.code == code)
        return [node for node in found if node is not None]


class Diagnosis:
    """Why a Pod fits nowhere."""

    def __init__(self) -> None:
        self.node_to_status = NodeToStatus()
        self.unschedulable_plugins: set[str] = set()
        self.pending_plugins: set[str] = set()
        self.pre_filter_message = ""
        self.post_filter_message = ""

    def add_plugin_status(self, status: Status) -> None:
        """Remember who refused."""
        if status.plugin and status.rejected:
            self.unschedulable_plugins.add(status.plugin)
        if status.plugin and status.code == Code.PENDING:
            self.pending_plugins.add(status.plugin)


class FitError(Exception):
    """No node fits; the text is what users see."""

    def __init__(self, pod: core.Pod, node_count: int, diagnosis: Diagnosis) -> None:
        super().__init__()
        self.pod = pod
        self.node_count = node_count
        self.diagnosis = diagnosis

    def __str__(self) -> str:
        diagnosis = self.diagnosis
        text = f"0/{self.node_count} nodes are available:"
        if diagnosis.pre_filter_message:
            text += f" {diagnosis.pre_filter_message}."
        else:
            reasons = self._histogram()
            if reasons:
                text += f" {', '.join(reasons)}."
        if diagnosis.post_filter_message:
            text += f" {diagnosis.post_filter_message}"
        return text

    def _histogram(self) -> list[str]:
        counts: dict[str, int] = {}
        statuses = self.diagnosis.node_to_status
        for _, status in statuses.items():
            for reason in status.reasons:
                counts[reason] = counts.get(reason, 0) + 1
        unseen = self.node_count - len(statuses)
        if unseen > 0:
            for reason in statuses.absent.reasons:
                counts[reason] = counts.get(reason, 0) + unseen
        return sorted(f"{count} {reason}" for reason, count in counts.items())


class NoNodesAvailable(Exception):
    """There is not one node."""

    def __str__(self) -> str:
        return "no nodes available to schedule pods"


def default_normalize_score(scores: list[int], *, reverse: bool = False) -> None:
    """Scale so that the largest becomes 100; `reverse` then turns the order round."""
    largest = max(scores, default=0)
    if largest <= 0:
        if reverse:
            scores[:] = [MAX_NODE_SCORE] * len(scores)
        return
    if reverse:
        scores[:] = [MAX_NODE_SCORE - MAX_NODE_SCORE * score // largest for score in scores]
    else:
        scores[:] = [MAX_NODE_SCORE * score // largest for score in scores]
