"""Jobs against a real API server; the test plays the nodes."""

import datetime

import pytest

from pybernetes.api.types import batch, core, meta
from pybernetes.apimachinery import timestamps
from pybernetes.controllers.job import indexes, judgement, policy

NAME = "job-controller"
KIND = "batch/v1/Job"


def job(cluster, name="j", restart="Never", **spec):
    template = cluster.template({"job": name}, "j:1", restartPolicy=restart)
    about = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name}}
    selector = {"manualSelector": True, "selector": {"matchLabels": {"job": name}}}
    return {**about, "spec": {"template": template, **selector, **spec}}


async def end(cluster, name, code=0):
    """A node says that the Pod's container has ended."""
    now = timestamps.format_time(cluster.clock.now())
    state = {"terminated": {"exitCode": code, "finishedAt": now}}
    container = {"name": "c", "image": "j:1", "imageID": "", "ready": False, "restartCount": 0, "state": state}
    phase = "Succeeded" if code == 0 else "Failed"
    await cluster.set_pod(name, phase=phase, ready=False, containerStatuses=[container])


async def pods(cluster):
    found = [pod for pod in await cluster.live_pods() if pod.status.phase in ("Pending", "Running", "")]
    return sorted(found, key=lambda pod: pod.metadata.name)


async def status(cluster, name="j"):
    return (await cluster.get(KIND, name)).get("status", {})


async def conditions(cluster, name="j"):
    found = (await status(cluster, name)).get("conditions", ())
    return {one["type"]: (one["status"], one["reason"]) for one in found}


async def test_runs_until_enough_have_succeeded(cluster):
    await cluster.run(NAME)
    await cluster.apply(job(cluster, completions=3, parallelism=2))
    await cluster.settle()
    for pod in await pods(cluster):
        assert pod.metadata.finalizers == ("batch.kubernetes.io/job-tracking",)
    assert len(await pods(cluster)) == 2
    found = await status(cluster)
    assert (found["active"], found["ready"], found["startTime"]) == (2, 0, "2026-01-01T00:00:01Z")
    await end(cluster, (await pods(cluster))[0].metadata.name)
    await cluster.settle(1)
    found = await status(cluster)
    assert (found["active"], found["succeeded"], found["uncountedTerminatedPods"]) == (2, 1, {})
    for pod in await pods(cluster):
        await end(cluster, pod.metadata.name)
    await cluster.settle(1)
    found = await status(cluster)
    assert found["succeeded"] == 3
    assert "active" not in found
    assert found["completionTime"]
    assert await conditions(cluster) == {
        "SuccessCriteriaMet": ("True", "CompletionsReached"),
        "Complete": ("True", "CompletionsReached"),
    }
    for pod in await cluster.list_all("Pod"):
        assert "finalizers" not in pod["metadata"]
    assert ("Completed", "Job completed") in await cluster.events("j")


async def test_failures_are_retried_later_and_later_then_no_more(cluster):
    await cluster.run(NAME)
    await cluster.apply(job(cluster, backoffLimit=2))
    await cluster.settle()
    for wait in (10, 20):
        (pod,) = await pods(cluster)
        await end(cluster, pod.metadata.name, 1)
        await cluster.settle(wait - 1)
        assert await pods(cluster) == []
        await cluster.settle(3)
    (pod,) = await pods(cluster)
    await end(cluster, pod.metadata.name, 1)
    await cluster.settle(2)
    found = await status(cluster)
    assert found["failed"] == 3
    assert await conditions(cluster) == {
        "FailureTarget": ("True", "BackoffLimitExceeded"),
        "Failed": ("True", "BackoffLimitExceeded"),
    }
    assert ("BackoffLimitExceeded", "Job has reached the specified backoff limit") in await cluster.events("j")


async def test_deadline_ends_it(cluster):
    await cluster.run(NAME)
    await cluster.apply(job(cluster, activeDeadlineSeconds=30))
    await cluster.settle(28)
    assert len(await pods(cluster)) == 1
    await cluster.settle(5)
    await cluster.reap()
    await cluster.settle(2)
    assert (await conditions(cluster))["Failed"] == ("True", "DeadlineExceeded")
    assert await cluster.live_pods() == []


async def test_indexed(cluster):
    await cluster.run(NAME)
    await cluster.apply(job(cluster, completions=4, parallelism=2, completionMode="Indexed"))
    await cluster.settle()
    first, second = await pods(cluster)
    assert first.metadata.name.startswith("j-0-")
    assert first.spec.hostname == "j-0"
    assert first.metadata.labels["batch.kubernetes.io/job-completion-index"] == "0"
    assert [one.name for one in first.spec.containers[0].env] == ["JOB_COMPLETION_INDEX"]
    await end(cluster, second.metadata.name)
    await cluster.settle(1)
    assert (await status(cluster))["completedIndexes"] == "1"
    for _ in range(3):
        for pod in await pods(cluster):
            await end(cluster, pod.metadata.name)
        await cluster.settle(1)
    found = await status(cluster)
    assert (found["completedIndexes"], found["succeeded"]) == ("0-3", 4)
    assert (await conditions(cluster))["Complete"][0] == "True"


async def test_each_index_fails_on_its_own(cluster):
    await cluster.run(NAME)
    spec = {"completions": 2, "parallelism": 2, "completionMode": "Indexed", "backoffLimitPerIndex": 1}
    await cluster.apply(job(cluster, **spec))
    await cluster.settle()
    first, second = await pods(cluster)
    await end(cluster, second.metadata.name)
    await end(cluster, first.metadata.name, 1)
    await cluster.settle(15)
    (again,) = await pods(cluster)
    assert again.metadata.annotations["batch.kubernetes.io/job-index-failure-count"] == "1"
    await end(cluster, again.metadata.name, 1)
    await cluster.settle(5)
    found = await status(cluster)
    assert (found["completedIndexes"], found["failedIndexes"], found["failed"]) == ("1", "0", 2)
    assert (await conditions(cluster))["Failed"] == ("True", "FailedIndexes")


async def test_suspend_and_resume(cluster):
    await cluster.run(NAME)
    await cluster.apply(job(cluster))
    await cluster.settle()
    await cluster.patch(KIND, "j", {"spec": {"suspend": True}})
    await cluster.settle(2)
    await cluster.reap()
    await cluster.settle(2)
    assert await cluster.list_all("Pod") == []
    assert await conditions(cluster) == {"Suspended": ("True", "JobSuspended")}
    assert "startTime" not in await status(cluster)
    await cluster.patch(KIND, "j", {"spec": {"suspend": False}})
    await cluster.settle(2)
    assert len(await pods(cluster)) == 1
    assert await conditions(cluster) == {"Suspended": ("False", "JobResumed")}
    reasons = [reason for reason, _ in await cluster.events("j")]
    assert "Suspended" in reasons
    assert "Resumed" in reasons
    assert "failed" not in await status(cluster)


async def test_failure_policy_may_end_or_ignore(cluster):
    await cluster.run(NAME)
    rules = [
        {"action": "FailJob", "onExitCodes": {"operator": "In", "values": [42]}},
        {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
    ]
    await cluster.apply(job(cluster, podFailurePolicy={"rules": rules}))
    await cluster.settle()
    (pod,) = await pods(cluster)
    name = pod.metadata.name
    condition = {"type": "DisruptionTarget", "status": "True"}
    await cluster.patch("Pod", name, {"status": {"phase": "Failed", "conditions": [condition]}}, subresource="status")
    await cluster.settle(20)
    assert "failed" not in await status(cluster)
    (pod,) = await pods(cluster)
    await end(cluster, pod.metadata.name, 42)
    await cluster.settle(2)
    message = (
        f"Container c for pod default/{pod.metadata.name} failed with exit code 42 matching FailJob rule at index 0"
    )
    assert ("PodFailurePolicy", message) in await cluster.events("j")


async def test_pods_without_job_are_let_go(cluster):
    await cluster.run(NAME)
    await cluster.apply(job(cluster))
    await cluster.settle()
    await cluster.delete(KIND, "j", propagation="Background")
    await cluster.settle(2)
    (pod,) = await cluster.list_all("Pod")
    assert "finalizers" not in pod["metadata"]


async def test_a_crash_counts_nothing_twice(cluster):
    await cluster.run(NAME)
    await cluster.apply(job(cluster, completions=2, parallelism=2))
    await cluster.settle()
    first, second = await pods(cluster)
    await cluster.stop_controllers()
    await end(cluster, first.metadata.name)
    noted = {"succeeded": [first.metadata.uid]}
    await cluster.patch(KIND, "j", {"status": {"uncountedTerminatedPods": noted}}, subresource="status")
    await cluster.patch("Pod", first.metadata.name, {"metadata": {"finalizers": None}})
    await cluster.run(NAME)
    await cluster.settle(2)
    found = await status(cluster)
    assert (found["succeeded"], found["active"], found["uncountedTerminatedPods"]) == (1, 1, {})
    await end(cluster, second.metadata.name)
    await cluster.settle(2)
    assert (await status(cluster))["succeeded"] == 2


@pytest.mark.parametrize(
    ("text", "expected"),
    [("", set()), ("0", {0}), ("0,1", {0, 1}), ("0-3,5,7,8", {0, 1, 2, 3, 5, 7, 8}), ("8-20", {8, 9}), ("x,1", {1})],
)
def test_indexes_are_read(text, expected):
    assert indexes.parse(text, 10) == expected


@pytest.mark.parametrize(
    ("found", "expected"), [([], ""), ([0], "0"), ([1, 0], "0,1"), ([0, 1, 2, 3, 5, 7, 8], "0-3,5,7,8")]
)
def test_indexes_are_spelled(found, expected):
    assert indexes.render(found) == expected


def test_first_pending():
    assert indexes.first_pending({0, 2}, 2, 10) == [1, 3]
    assert indexes.first_pending({0, 1}, 5, 3) == [2]


@pytest.mark.parametrize(
    ("failures", "age", "left"), [(0, 0, 0), (1, 0, 10), (1, 4, 6), (3, 0, 40), (9, 0, 600), (1, 11, 0)]
)
def test_backoff(failures, age, left):
    now = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    assert judgement.Backoff(failures, now - datetime.timedelta(seconds=age)).remaining(now) == left


@pytest.mark.parametrize(
    ("rule", "succeeded", "message"),
    [
        ({"succeededIndexes": "0-1"}, {0, 1}, "Matched rules at index 0"),
        ({"succeededIndexes": "0-1"}, {0, 2}, ""),
        ({"succeededIndexes": "0-1", "succeededCount": 1}, {0}, "Matched rules at index 0"),
        ({"succeededCount": 2}, {0}, ""),
        ({"succeededCount": 2}, {0, 5}, "Matched rules at index 0"),
    ],
)
def test_success_policy(rule, succeeded, message):
    rules = (batch.SuccessPolicyRule(**rule),)
    one = batch.Job(spec=batch.JobSpec(completions=6, successPolicy=batch.SuccessPolicy(rules=rules)))
    assert policy.success_message(one, succeeded) == message


def test_a_failure_without_rule_counts():
    pod = core.Pod(metadata=meta.ObjectMeta(name="p"), status=core.PodStatus(phase="Failed"))
    assert policy.judge_failure(None, pod) == policy.Verdict(counts=True)
