"""Runs the plugins of one profile, extension point by extension point.

The order of plugins is the profile's. Filter stops at the first refusal; Score sums what every plugin says, times its
weight. A plugin that fails (rather than refuses) fails the cycle.
Upstream: pkg/scheduler/framework/runtime/framework.go. Pure.
"""
# mypy: disable-error-code="type-abstract"

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol, TypeVar, cast

from pybernetes.scheduler import framework
from pybernetes.scheduler.framework import Code, CycleState, NodeToStatus, Status
from pybernetes.scheduler.node_info import NodeInfo, PodInfo

P = TypeVar("P")
FilterFunction = Callable[[CycleState, PodInfo, NodeInfo], Status | None]


class Nominations(Protocol):
    """Who is expected where (`nominator.Nominator`)."""

    def __len__(self) -> int:
        """How many Pods."""

    def for_node(self, name: str) -> Sequence[PodInfo]:
        """The Pods expected on a node."""


class Weighted(NamedTuple):
    """A plugin of a profile; the weight counts for scores only."""

    plugin: framework.Plugin
    weight: int = 1


class PreFiltered(NamedTuple):
    """What pre-filters say together: the only nodes worth a look (None: all), a refusal, and who narrowed."""

    node_names: frozenset[str] | None
    status: Status | None
    plugins: set[str]


class Framework:
    """The plugins of one profile, sorted by extension point."""

    def __init__(
        self,
        profile_name: str,
        plugins: Sequence[Weighted],
        nominations: Nominations,
        percentage_of_nodes_to_score: int | None = None,
    ) -> None:
        self.profile_name = profile_name
        self.plugins = tuple(one.plugin for one in plugins)
        self.percentage_of_nodes_to_score = percentage_of_nodes_to_score
        self._nominations = nominations
        self.pre_enqueue = tuple(one for _, one in self._of(framework.PreEnqueuePlugin))
        sorters = [one for _, one in self._of(framework.QueueSortPlugin)]
        if len(sorters) != 1:
            raise ValueError(f"profile {profile_name}: exactly one queue sort plugin is needed, not {len(sorters)}")
        self.queue_sort = sorters[0]
        self._pre_filters = self._of(framework.PreFilterPlugin)
        self._extensions = self._of(framework.PreFilterExtensions)
        self._filters = [(name, one.filter) for name, one in self._of(framework.FilterPlugin)]
        self._post_filters = [one for _, one in self._of(framework.PostFilterPlugin)]
        self._pre_scores = self._of(framework.PreScorePlugin)
        self._scores = [
            (one.plugin, one.plugin if isinstance(one.plugin, framework.ScoreExtensions) else None, one)
            for one in plugins
            if isinstance(one.plugin, framework.ScorePlugin)
        ]
        self._reserves = [one for _, one in self._of(framework.ReservePlugin)]
        self.permits = self._of(framework.PermitPlugin)
        self._pre_binds = self._of(framework.PreBindPlugin)
        self._binds = self._of(framework.BindPlugin)
        self._post_binds = [one for _, one in self._of(framework.PostBindPlugin)]

    def _of(self, point: type[P]) -> list[tuple[str, P]]:
        """Name and self of those that serve the point: of a class Python remembers it, of an object it does not."""
        return [(one.name, cast(P, one)) for one in self.plugins if issubclass(type(one), point)]

    @property
    def has_score_plugins(self) -> bool:
        """Whether nodes are ranked at all."""
        return bool(self._scores)

    def run_pre_filter(self, state: CycleState, pod: PodInfo, snapshot: framework.Snapshot) -> PreFiltered:
        """Ask once about the Pod; note which filters need not be asked about nodes."""
        names: frozenset[str] | None = None
        narrowing: set[str] = set()
        refusal: Status | None = None
        for name, plugin in self._pre_filters:
            answer = plugin.pre_filter(state, pod, snapshot)
            if answer is None:
                continue
            if isinstance(answer, Status):
                if answer.code == Code.SKIP:
                    state.skip_filter.add(name)
                    continue
                answer = answer.of(name)
                if answer.code == Code.UNSCHEDULABLE:
                    refusal = answer
                    continue
                if answer.code != Code.UNSCHEDULABLE_AND_UNRESOLVABLE:
                    failure = framework.PluginFailed(f'running PreFilter plugin "{name}": {answer.message}')
                    answer = framework.as_status(failure, name)
                return PreFiltered(None, answer, set())
            narrowing.add(name)
            names = answer.node_names if names is None else names & answer.node_names
            if not names:
                listed = sorted(narrowing)
                text = f"plugin {listed[0]}" if len(listed) == 1 else f"plugin(s) [{' '.join(listed)}] simultaneously"
                status = Status(Code.UNSCHEDULABLE_AND_UNRESOLVABLE, f"node(s) didn't satisfy {text}")
                return PreFiltered(names, status, narrowing)
        return PreFiltered(names, refusal, narrowing)

    def has_nominations(self) -> bool:
        """Whether any Pod is expected anywhere."""
        return len(self._nominations) > 0

    def active_filters(self, state: CycleState) -> list[FilterFunction]:
        """The filters that have something to say about this Pod."""
        skip = state.skip_filter
        return [function for name, function in self._filters if name not in skip]

    def run_filter(self, state: CycleState, pod: PodInfo, node: NodeInfo) -> Status | None:
        """The first refusal, or None."""
        for function in self.active_filters(state):
            status = function(state, pod, node)
            if status is not None:
                return status
        return None

    def run_filter_with_nominated_pods(
        self, filters: Sequence[FilterFunction], state: CycleState, pod: PodInfo, node: NodeInfo
    ) -> Status | None:
        """Filter as if Pods nominated for the node ran there already; and once more without them.

        The second time is for Pods that would only fit because of them (affinity): they may never arrive.
        """
        nominated = self._nominations.for_node(node.name)
        if nominated:
            ahead = [one for one in nominated if one.priority >= pod.priority and one.uid != pod.uid]
            if ahead:
                status = self._filter_with(filters, state, pod, node, ahead)
                if status is not None:
                    return status
        for function in filters:
            status = function(state, pod, node)
            if status is not None:
                return status
        return None

    def _filter_with(
        self,
        filters: Sequence[FilterFunction],
        state: CycleState,
        pod: PodInfo,
        node: NodeInfo,
        ahead: Sequence[PodInfo],
    ) -> Status | None:
        trial, trial_state = node.clone(), state.clone()
        for one in ahead:
            trial.add_pod(one)
            self.run_add_pod(trial_state, pod, one, trial)
        for function in filters:
            status = function(trial_state, pod, trial)
            if status is not None:
                return status
        return None

    def run_add_pod(self, state: CycleState, pod: PodInfo, added: PodInfo, node: NodeInfo) -> None:
        """Tell pre-filter states of a Pod put on a node for a trial."""
        for name, plugin in self._extensions:
            if name not in state.skip_filter:
                plugin.add_pod(state, pod, added, node)

    def run_remove_pod(self, state: CycleState, pod: PodInfo, removed: PodInfo, node: NodeInfo) -> None:
        """Tell pre-filter states of a Pod taken off a node for a trial."""
        for name, plugin in self._extensions:
            if name not in state.skip_filter:
                plugin.remove_pod(state, pod, removed, node)

    def run_post_filter(
        self, state: CycleState, pod: PodInfo, statuses: NodeToStatus
    ) -> tuple[framework.PostFilterResult | None, Status | None]:
        """Ask for help until one plugin has some."""
        result: framework.PostFilterResult | None = None
        reasons: list[str] = []
        rejector = ""
        for plugin in self._post_filters:
            answer, status = plugin.post_filter(state, pod, statuses)
            if status is None or status.code in (Code.SUCCESS, Code.UNSCHEDULABLE_AND_UNRESOLVABLE, Code.ERROR):
                return answer, status
            if answer is not None and answer.nominated_node_name is not None:
                result = answer
            reasons += status.reasons
            rejector = rejector or getattr(plugin, "name", "")
        return result, Status(Code.UNSCHEDULABLE, *reasons, plugin=rejector)

    @property
    def has_post_filter_plugins(self) -> bool:
        """Whether anybody can make room."""
        return bool(self._post_filters)

    def run_pre_score(self, state: CycleState, pod: PodInfo, nodes: Sequence[NodeInfo]) -> Status | None:
        """Ask once about the feasible nodes; note who need not score them."""
        for name, plugin in self._pre_scores:
            status = plugin.pre_score(state, pod, nodes)
            if status is None:
                continue
            if status.code != Code.SKIP:
                failure = framework.PluginFailed(f'running PreScore plugin "{name}": {status.message}')
                return framework.as_status(failure, name)
            state.skip_score.add(name)
        return None

    def run_score(self, state: CycleState, pod: PodInfo, nodes: Sequence[NodeInfo]) -> list[int]:
        """The weighted sum for each node."""
        total = [0] * len(nodes)
        for plugin, extensions, row in self._scores:
            if row.plugin.name in state.skip_score:
                continue
            scores = plugin.score(state, pod, nodes)
            if extensions is not None:
                extensions.normalize(state, pod, nodes, scores)
            weight = row.weight
            total = [sum_so_far + weight * score for sum_so_far, score in zip(total, scores, strict=True)]
        return total

    def run_reserve(self, state: CycleState, pod: PodInfo, node_name: str) -> Status | None:
        """Every plugin reserves; the first refusal stops it."""
        for plugin in self._reserves:
            status = plugin.reserve(state, pod, node_name)
            if status is not None:
                return _failed("Reserve", getattr(plugin, "name", ""), status)
        return None

    def run_unreserve(self, state: CycleState, pod: PodInfo, node_name: str) -> None:
        """Take reservations back, last first."""
        for plugin in reversed(self._reserves):
            plugin.unreserve(state, pod, node_name)

    def run_permit(self, state: CycleState, pod: PodInfo, node_name: str) -> tuple[Status | None, dict[str, float]]:
        """None, a refusal, or WAIT with the seconds each plugin gives."""
        waits: dict[str, float] = {}
        for name, plugin in self.permits:
            status, timeout = plugin.permit(state, pod, node_name)
            if status is None:
                continue
            if status.code != Code.WAIT:
                return status.of(name), {}
            waits[name] = timeout
        if waits:
            text = f'one or more plugins asked to wait and no plugin rejected pod "{pod.pod.metadata.name}"'
            return Status(Code.WAIT, text), waits
        return None, {}

    def will_pre_bind(self, state: CycleState, pod: PodInfo, node_name: str) -> bool:
        """Whether binding may take a while."""
        return any(plugin.pre_bind_pre_flight(state, pod, node_name) for _, plugin in self._pre_binds)

    async def run_pre_bind(self, state: CycleState, pod: PodInfo, node_name: str) -> Status | None:
        """One after the other; the first that does not succeed stops it."""
        for name, plugin in self._pre_binds:
            status = await plugin.pre_bind(state, pod, node_name)
            if status is not None:
                return _failed("PreBind", name, status)
        return None

    async def run_bind(self, state: CycleState, pod: PodInfo, node_name: str) -> Status | None:
        """The first that does not skip binds."""
        for name, plugin in self._binds:
            status = await plugin.bind(state, pod, node_name)
            if status is None or status.code != Code.SKIP:
                return None if status is None else _failed("Bind", name, status)
        return Status(Code.SKIP)

    def run_post_bind(self, state: CycleState, pod: PodInfo, node_name: str) -> None:
        """Tell everybody."""
        for plugin in self._post_binds:
            plugin.post_bind(state, pod, node_name)


def _failed(point: str, plugin: str, status: Status) -> Status:
    """A refusal as it is; a failure with the name of who failed."""
    if status.rejected:
        return status.of(plugin)
    return framework.as_status(framework.PluginFailed(f'running {point} plugin "{plugin}": {status.message}'), plugin)
