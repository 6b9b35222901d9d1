"""Making and deleting Pods: batches, references, the rank for deletion."""

import pytest

from pybernetes.aio import clock as clocks
from pybernetes.api.types import core, meta
from pybernetes.apimachinery import errors, timestamps
from pybernetes.controllers import pod_control


async def test_slow_start_batch():
    """Seed M4: side by side in batches of bounded size, all of a batch awaited, the first failure told."""
    done = []

    async def call():
        done.append(1)
        if len(done) == 3:
            raise errors.InternalError("no")

    created, failure = await pod_control.slow_start_batch(10, 1, call)
    assert (created, str(failure), len(done)) == (2, "Internal error occurred: no", 3)
    done.clear()
    done += [1] * 10
    assert await pod_control.slow_start_batch(7, 1, call) == (7, None)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"apiVersion": ""}, "controllerRef has empty APIVersion"),
        ({"kind": ""}, "controllerRef has empty Kind"),
        ({"controller": False}, "controllerRef.Controller is not set to true"),
        ({"blockOwnerDeletion": None}, "controllerRef.BlockOwnerDeletion is not set"),
    ],
)
def test_p2_references_that_control_nothing_are_refused(changes, message):
    """Seed P2: what would not make its owner the controller is refused."""
    good = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "a", "uid": "u"}
    reference = meta.OwnerReference(**{**good, "controller": True, "blockOwnerDeletion": True, **changes})
    with pytest.raises(ValueError, match=message):
        pod_control.validate_controller_ref(reference)


def _pod(name, *, node="n", phase="Running", ready_for=None, age=1000, cost="", restarts=0):
    now = clocks.VirtualClock().now()

    def ago(seconds):
        return timestamps.from_unix(now.timestamp() - seconds)

    conditions = ()
    if ready_for is not None:
        conditions = (core.PodCondition(type="Ready", status="True", lastTransitionTime=ago(ready_for)),)
    return core.Pod(
        metadata=meta.ObjectMeta(
            name=name,
            creationTimestamp=ago(age),
            annotations={pod_control.DELETION_COST: cost} if cost else {},
        ),
        spec=core.PodSpec(nodeName=node),
        status=core.PodStatus(
            phase=phase,
            conditions=conditions,
            containerStatuses=(core.ContainerStatus(name="c", restartCount=restarts),),
        ),
    )


@pytest.mark.parametrize(
    ("first", "second", "siblings"),
    [
        ({"node": ""}, {}, {}),
        ({"phase": "Pending"}, {"phase": "Unknown"}, {}),
        ({"phase": "Unknown"}, {"phase": "Running"}, {}),
        ({}, {"ready_for": 10}, {}),
        ({"ready_for": 10, "cost": "-1"}, {"ready_for": 10}, {}),
        ({"ready_for": 900, "node": "busy"}, {"ready_for": 1, "node": "calm"}, {"busy": 3, "calm": 1}),
        ({"ready_for": 10}, {"ready_for": 900}, {}),
        ({"ready_for": 900, "restarts": 2}, {"ready_for": 900}, {}),
        ({"ready_for": 9, "age": 10}, {"ready_for": 9, "age": 1000}, {}),
    ],
)
def test_r12_rank_for_deletion(first, second, siblings):
    """Seed R12: each rule of the rank, the later ones among equals of the earlier."""
    now = clocks.VirtualClock().now()
    pods = [_pod("second", **second), _pod("first", **first)]
    assert [pod.metadata.name for pod in pod_control.order_for_deletion(pods, siblings, now)] == ["first", "second"]
