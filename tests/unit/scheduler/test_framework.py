"""The texts users see, and how plugins' answers are put together."""

from collections.abc import Sequence
from typing import Any

import pytest
from tests.unit.scheduler import objects

from pybernetes.scheduler import framework, nominator, runtime
from pybernetes.scheduler.framework import Code, CycleState, Diagnosis, FitError, NodeToStatus, Status
from pybernetes.scheduler.node_info import NodeInfo, PodInfo
from pybernetes.scheduler.plugins import priority_sort


def diagnosis(statuses: dict[str, Status], absent: Status | None = None, **texts: str) -> Diagnosis:
    """What a search found."""
    result = Diagnosis()
    result.node_to_status = NodeToStatus(absent)
    for name, status in statuses.items():
        result.node_to_status.set(name, status)
    for name, text in texts.items():
        setattr(result, name, text)
    return result


CPU = Status(Code.UNSCHEDULABLE, "Insufficient cpu")
BOTH = Status(Code.UNSCHEDULABLE, "Insufficient cpu", "Insufficient memory")
TAINT = Status(Code.UNSCHEDULABLE_AND_UNRESOLVABLE, "node(s) had untolerated taint(s)")
NAMED = Status(Code.UNSCHEDULABLE_AND_UNRESOLVABLE, "node(s) didn't satisfy plugin(s) [NodeAffinity]")


@pytest.mark.parametrize(
    ("found", "count", "text"),
    [
        (diagnosis({"a": CPU}), 1, "0/1 nodes are available: 1 Insufficient cpu."),
        (
            diagnosis({"a": CPU, "b": BOTH, "c": TAINT}),
            3,
            "0/3 nodes are available: 1 Insufficient memory, 1 node(s) had untolerated taint(s), 2 Insufficient cpu.",
        ),
        (
            diagnosis({"a": CPU}, NAMED),
            11,
            "0/11 nodes are available: 1 Insufficient cpu, 10 node(s) didn't satisfy plugin(s) [NodeAffinity].",
        ),
        (
            diagnosis({"a": CPU}, pre_filter_message="pod affinity terms conflict"),
            2,
            "0/2 nodes are available: pod affinity terms conflict.",
        ),
        (
            diagnosis({"a": CPU}, post_filter_message="preemption: no"),
            1,
            "0/1 nodes are available: 1 Insufficient cpu. preemption: no",
        ),
        (diagnosis({}), 1, "0/1 nodes are available:"),
    ],
)
def test_fit_error(found: Diagnosis, count: int, text: str) -> None:
    assert str(FitError(objects.pod(), count, found)) == text


class Recorder:
    """A plugin with every extension point, whose answers a test sets."""

    def __init__(self, name: str, **answers: Any) -> None:
        self.name = name
        self.answers = answers
        self.calls: list[str] = []

    def _say(self, point: str, otherwise: Any = None) -> Any:
        self.calls.append(point)
        return self.answers.get(point, otherwise)

    def pre_filter(self, state: CycleState, pod: PodInfo, snapshot: framework.Snapshot) -> framework.PreFilterAnswer:
        answer: framework.PreFilterAnswer = self._say("pre_filter")
        return answer

    def filter(self, state: CycleState, pod: PodInfo, node: NodeInfo) -> Status | None:
        status: Status | None = self._say("filter")
        return status

    def post_filter(
        self, state: CycleState, pod: PodInfo, statuses: NodeToStatus
    ) -> tuple[framework.PostFilterResult | None, Status | None]:
        answer: tuple[framework.PostFilterResult | None, Status | None] = self._say(
            "post_filter", (None, Status(Code.UNSCHEDULABLE))
        )
        return answer

    def pre_score(self, state: CycleState, pod: PodInfo, nodes: Sequence[NodeInfo]) -> Status | None:
        status: Status | None = self._say("pre_score")
        return status

    def score(self, state: CycleState, pod: PodInfo, nodes: Sequence[NodeInfo]) -> list[int]:
        return [*self._say("score", [0] * len(nodes))]

    def reserve(self, state: CycleState, pod: PodInfo, node_name: str) -> Status | None:
        status: Status | None = self._say("reserve")
        return status

    def unreserve(self, state: CycleState, pod: PodInfo, node_name: str) -> None:
        self._say("unreserve")

    def permit(self, state: CycleState, pod: PodInfo, node_name: str) -> tuple[Status | None, float]:
        answer: tuple[Status | None, float] = self._say("permit", (None, 0.0))
        return answer

    async def bind(self, state: CycleState, pod: PodInfo, node_name: str) -> Status | None:
        status: Status | None = self._say("bind")
        return status


def profile(*plugins: Recorder, weights: Sequence[int] = ()) -> runtime.Framework:
    """A framework with these plugins."""
    rows = [runtime.Weighted(priority_sort.PrioritySort())]
    rows += [runtime.Weighted(one, weight) for one, weight in zip(plugins, weights or [1] * len(plugins), strict=True)]
    return runtime.Framework("test", rows, nominator.Nominator())


CACHE = objects.cache_of([objects.node("a"), objects.node("b")])
POD = objects.info()
RESULT = framework.PreFilterResult
UNSATISFIED = "node(s) didn't satisfy plugin"


@pytest.mark.parametrize(
    ("answers", "names", "text"),
    [
        ((None, None), None, ""),
        ((RESULT(frozenset("ab")), RESULT(frozenset("b"))), {"b"}, ""),
        (
            (RESULT(frozenset("a")), RESULT(frozenset("b"))),
            set(),
            "node(s) didn't satisfy plugin(s) [p0 p1] simultaneously",
        ),
        ((RESULT(frozenset()), None), set(), f"{UNSATISFIED} p0"),
        ((Status(Code.UNSCHEDULABLE, "no"), None), None, "no"),
        ((Status(Code.ERROR, "broken"), None), None, 'running PreFilter plugin "p0": broken'),
    ],
)
def test_pre_filter(answers: Any, names: Any, text: str) -> None:
    plugins = [Recorder(f"p{index}", pre_filter=answer) for index, answer in enumerate(answers)]
    found = profile(*plugins).run_pre_filter(CycleState(), POD, CACHE.snapshot)
    assert found.node_names == names
    assert objects.message(found.status) == text


def test_a_plugin_that_skips_is_not_asked_about_nodes() -> None:
    quiet, other = Recorder("quiet", pre_filter=framework.SKIP, pre_score=framework.SKIP), Recorder("other")
    one, state = profile(quiet, other), CycleState()
    one.run_pre_filter(state, POD, CACHE.snapshot)
    assert one.run_filter(state, POD, CACHE.snapshot.nodes[0]) is None
    one.run_pre_score(state, POD, CACHE.snapshot.nodes)
    one.run_score(state, POD, CACHE.snapshot.nodes)
    assert quiet.calls == ["pre_filter", "pre_score"]
    assert other.calls == ["pre_filter", "filter", "pre_score", "score"]


def test_filter_stops_at_the_first_refusal() -> None:
    first, second = Recorder("first", filter=CPU), Recorder("second")
    assert profile(first, second).run_filter(CycleState(), POD, CACHE.snapshot.nodes[0]) is CPU
    assert second.calls == []


def test_scores_are_weighted_and_summed() -> None:
    plugins = (Recorder("p", score=(10, 20)), Recorder("q", score=(5, 0)))
    found = profile(*plugins, weights=(2, 3)).run_score(CycleState(), POD, CACHE.snapshot.nodes)
    assert found == [35, 40]


def test_post_filter_asks_until_one_helps() -> None:
    no = (framework.PostFilterResult(""), Status(Code.UNSCHEDULABLE, "not helpful"))
    yes = (framework.PostFilterResult("a"), Status(Code.SUCCESS, "found"))
    result, status = profile(Recorder("p", post_filter=no)).run_post_filter(CycleState(), POD, NodeToStatus())
    assert (result, objects.message(status)) == (framework.PostFilterResult(""), "not helpful")
    result, status = profile(Recorder("p"), Recorder("q", post_filter=yes)).run_post_filter(
        CycleState(), POD, NodeToStatus()
    )
    assert (result, objects.message(status)) == (framework.PostFilterResult("a"), "found")


def test_permit() -> None:
    wait = (Status(Code.WAIT), 5.0)
    status, waits = profile(Recorder("p", permit=wait), Recorder("q")).run_permit(CycleState(), POD, "a")
    assert status is not None
    assert (status.code, waits) == (Code.WAIT, {"p": 5.0})
    no = (Status(Code.UNSCHEDULABLE, "no"), 0.0)
    status, waits = profile(Recorder("p", permit=wait), Recorder("q", permit=no)).run_permit(CycleState(), POD, "a")
    assert status is not None
    assert (status.code, status.plugin, waits) == (Code.UNSCHEDULABLE, "q", {})


async def test_bind_passes_on_until_one_binds() -> None:
    first, second, third = Recorder("p", bind=framework.SKIP), Recorder("q"), Recorder("r")
    assert await profile(first, second, third).run_bind(CycleState(), POD, "a") is None
    assert (second.calls, third.calls) == (["bind"], [])


def test_unreserve_goes_backwards() -> None:
    order: list[str] = []

    class Noting(Recorder):
        def unreserve(self, state: CycleState, pod: PodInfo, node_name: str) -> None:
            order.append(self.name)

    profile(Noting("p"), Noting("q")).run_unreserve(CycleState(), POD, "a")
    assert order == ["q", "p"]


def test_nominated_pods_count_as_if_they_were_there() -> None:
    cache = objects.cache_of([objects.node("n", cpu="1")])
    nominations = nominator.Nominator()
    nominations.add(objects.info("vip", "1", priority=10), "n")
    one = objects.default_framework(cache, nominations=nominations)
    state, node = CycleState(), cache.snapshot.nodes[0]
    low, high = objects.info("low", "500m", priority=5), objects.info("high", "500m", priority=20)
    one.run_pre_filter(state, low, cache.snapshot)
    filters = one.active_filters(state)
    assert objects.message(one.run_filter_with_nominated_pods(filters, state, low, node)) == "Insufficient cpu"
    assert one.run_filter_with_nominated_pods(filters, state, high, node) is None
    assert not node.pods


@pytest.mark.parametrize(
    ("scores", "reverse", "expected"),
    [
        ([1, 2, 4], False, [25, 50, 100]),
        ([1, 2, 4], True, [75, 50, 0]),
        ([0, 0], False, [0, 0]),
        ([0, 0], True, [100, 100]),
        ([], True, []),
    ],
)
def test_default_normalize_score(scores: list[int], reverse: bool, expected: list[int]) -> None:
    framework.default_normalize_score(scores, reverse=reverse)
    assert scores == expected


def test_a_profile_needs_one_queue_sort_plugin() -> None:
    with pytest.raises(ValueError, match="exactly one queue sort plugin"):
        runtime.Framework("x", [], nominator.Nominator())
