"""The arithmetic of rollouts, as tables."""

import datetime

import pytest

from pybernetes.api.types import apps, core, meta
from pybernetes.controllers import template_hash
from pybernetes.controllers.deployment import progress, recreate, revisions, rollout

NOW = datetime.datetime(2026, 1, 1, 12, tzinfo=datetime.UTC)


def deployment(replicas, *, surge="25%", unavailable="25%", status=None, strategy="RollingUpdate", image="new", **spec):
    rolling = apps.RollingUpdateDeployment(maxSurge=surge, maxUnavailable=unavailable)
    return apps.Deployment(
        metadata=meta.ObjectMeta(name="web", namespace="ns", uid="d", generation=3),
        spec=apps.DeploymentSpec(
            replicas=replicas,
            strategy=apps.DeploymentStrategy(
                type=strategy, rollingUpdate=rolling if strategy == "RollingUpdate" else None
            ),
            template=template(image),
            **spec,
        ),
        status=status or apps.DeploymentStatus(),
    )


def template(image, **labels):
    return core.PodTemplateSpec(
        metadata=meta.ObjectMeta(labels={"app": "web", **labels}),
        spec=core.PodSpec(containers=(core.Container(name="c", image=image),)),
    )


def replica_set(name, replicas, available=None, *, created="2026-01-01T00:00:00Z", annotations=None, actual=None):
    available = replicas if available is None else available
    return apps.ReplicaSet(
        metadata=meta.ObjectMeta(
            name=name, namespace="ns", uid=name, creationTimestamp=created, annotations=annotations or {}
        ),
        spec=apps.ReplicaSetSpec(replicas=replicas, template=template(name)),
        status=apps.ReplicaSetStatus(
            replicas=replicas if actual is None else actual, availableReplicas=available, readyReplicas=available
        ),
    )


def steps(found):
    return [(step.replica_set.metadata.name, step.replicas) for step in found]


@pytest.mark.parametrize(
    ("surge", "unavailable", "replicas", "expected"),
    [
        ("25%", "25%", 10, (3, 2)),
        ("25%", "25%", 1, (1, 0)),
        (0, "10%", 5, (0, 1)),
        (0, 0, 5, (0, 1)),
        ("100%", 1, 4, (4, 1)),
        (2, 50, 10, (2, 10)),
    ],
)
def test_fenceposts(surge, unavailable, replicas, expected):
    one = deployment(replicas, surge=surge, unavailable=unavailable)
    assert (rollout.max_surge(one), rollout.max_unavailable(one)) == expected


@pytest.mark.parametrize(
    ("wanted", "surge", "old", "new", "expected"),
    [
        (10, 0, 10, 0, None),
        (10, 2, 10, 0, 2),
        (10, 2, 5, 0, 7),
        (10, 2, 10, 2, None),
        (10, 2, 0, 10, None),
        (10, 2, 2, 11, 10),
        (10, "50%", 10, 2, 5),
    ],
)
def test_new_replica_set_grows_into_the_room(wanted, surge, old, new, expected):
    one = deployment(wanted, surge=surge, unavailable=1)
    step = rollout.scale_new(one, replica_set("new", new), [replica_set("old", old)])
    assert (step.replicas if step else None) == expected


@pytest.mark.parametrize(
    ("unavailable", "old", "new", "expected"),
    [
        (0, [(10, 10)], (0, 0), []),
        (2, [(10, 10)], (0, 0), [8]),
        (2, [(10, 8)], (0, 0), [8]),
        (2, [(10, 4)], (0, 0), [8]),
        (2, [(8, 8)], (5, 0), []),
        (2, [(8, 8)], (5, 5), [3]),
        (0, [(8, 8)], (5, 3), [7]),
        (2, [(4, 4), (4, 4)], (4, 4), [0]),
        (2, [(4, 2), (4, 4)], (4, 4), [2, 0]),
    ],
)
def test_old_replica_sets_shrink_as_far_as_enough_stay_available(unavailable, old, new, expected):
    one = deployment(10, surge=2, unavailable=unavailable)
    olds = [replica_set(f"old{n}", *sizes, created=f"2026-01-0{n + 1}T00:00:00Z") for n, sizes in enumerate(old)]
    found = rollout.scale_old(one, replica_set("new", *new), olds)
    assert [step.replicas for step in found] == expected


def sized(name, replicas, desired, maximum, created="2026-01-01T00:00:00Z", available=None):
    annotations = revisions.replicas_annotations(desired, maximum)
    return replica_set(name, replicas, available, annotations=annotations, created=created)


@pytest.mark.parametrize(
    ("wanted", "new", "old", "expected"),
    [
        (12, ("new", 10), [], [("new", 12)]),
        (5, ("new", 10), [], [("new", 5)]),
        (10, ("new", 10), [("old", 0)], []),
        (12, ("new", 5), [("old", 5)], [("new", 6), ("old", 6)]),
        (20, ("new", 0), [("old2", 2), ("old1", 8)], [("old1", 16), ("old2", 4)]),
        (0, ("new", 5), [("old", 5)], [("old", 0), ("new", 0)]),
        (6, ("new", 3), [("old", 7)], [("old", 4), ("new", 2)]),
    ],
)
def test_scaling_in_proportion(wanted, new, old, expected):
    one = deployment(wanted, surge=0, unavailable=1)
    latest = sized(*new, 10, 10, created="2026-01-09T00:00:00Z", available=0)
    olds = [sized(name, size, 10, 10, created=f"2026-01-0{n + 1}T00:00:00Z") for n, (name, size) in enumerate(old)]
    assert steps(rollout.scale(one, latest, olds)) == expected


def test_saturated_new_replica_set_ends_the_old_ones():
    latest, old = sized("new", 10, 10, 12), sized("old", 3, 10, 12)
    assert steps(rollout.scale(deployment(10), latest, [old])) == [("old", 0)]


def test_scaling_event_is_told_by_the_annotation():
    assert rollout.is_scaling_event(deployment(4), [sized("a", 3, 3, 4)])
    assert not rollout.is_scaling_event(deployment(3), [sized("a", 3, 3, 4), sized("b", 0, 9, 9)])


def test_recreate_counts_pods_that_may_still_run():
    new, old = replica_set("new", 0), replica_set("old", 0)
    ended, running = (core.Pod(status=core.PodStatus(phase=phase)) for phase in ("Failed", "Running"))
    assert not recreate.old_pods_running(new, [old], {"old": [ended], "new": [running]})
    assert recreate.old_pods_running(new, [old], {"old": [ended, running]})
    assert recreate.old_pods_running(new, [replica_set("old", 0, actual=1)], {})


def test_names_and_hashes():
    first, second = template_hash.compute(template("a"), None), template_hash.compute(template("a"), 1)
    assert first == template_hash.compute(template("a"), None) != second
    assert revisions.equal_ignore_hash(template("a"), template("a", **{"pod-template-hash": first}))
    assert not revisions.equal_ignore_hash(template("a"), template("b"))
    assert len(revisions.replica_set_name("x" * 253, first)) == 253


def test_revision_history_grows_and_is_cut():
    annotations = {"note": "kept", revisions.REVISION: "1"}
    for number in range(2, 700):
        annotations = revisions.new_annotations(deployment(1), annotations, number)
    assert annotations["note"] == "kept"
    assert annotations[revisions.REVISION] == "699"
    history = annotations[revisions.REVISION_HISTORY]
    assert history.endswith(",697,698")
    assert len(history) <= 2000
    assert revisions.new_annotations(deployment(1), annotations, 5) == annotations


@pytest.mark.parametrize(
    ("before", "after", "elapsed", "expected"),
    [
        ((2, 2, 2), (3, 3, 3), 0, ("True", "NewReplicaSetAvailable")),
        ((2, 1, 1), (3, 2, 1), 0, ("True", "ReplicaSetUpdated")),
        ((3, 2, 1), (3, 2, 1), 30, None),
        ((3, 2, 1), (3, 2, 1), 61, ("False", "ProgressDeadlineExceeded")),
    ],
)
def test_progress(before, after, elapsed, expected):
    known = progress.condition(
        "Progressing", "True", "ReplicaSetUpdated", "", NOW - datetime.timedelta(seconds=elapsed)
    )
    names = ("replicas", "updatedReplicas", "availableReplicas")
    status = apps.DeploymentStatus(
        **dict(zip(names, before, strict=True)), readyReplicas=before[2], conditions=(known,), observedGeneration=3
    )
    replicas, updated, available = after
    old = [replica_set("old", replicas - updated, 0)] if replicas > updated else []
    one = deployment(3, status=status, progressDeadlineSeconds=60)
    found = progress.rollout_status(one, replica_set("new", updated, available), old, NOW)
    verdict = progress.find(found.conditions, "Progressing")
    assert (verdict.status, verdict.reason) == (expected or (known.status, known.reason))
    if expected is None:
        assert verdict == known
        assert progress.next_check(one, found, NOW) == 60 - elapsed + 1


def test_what_was_available_once_does_not_time_out():
    known = progress.condition(
        "Progressing", "True", "NewReplicaSetAvailable", "", NOW - datetime.timedelta(seconds=600)
    )
    one = deployment(3, status=apps.DeploymentStatus(conditions=(known,)), progressDeadlineSeconds=60)
    found = progress.rollout_status(one, replica_set("new", 3, 1), [], NOW)
    assert progress.find(found.conditions, "Progressing") == known
    assert progress.next_check(one, found, NOW) is None
