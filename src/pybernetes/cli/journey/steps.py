"""The 38 steps of docs/journey.md: who takes each, what it changes, upstream's name for it, and its sentence. Pure."""

from typing import NamedTuple


class Row(NamedTuple):
    """One step. `trigger` says what leads to it, `change` what is different in the API afterwards."""

    component: str
    upstream: str
    trigger: str
    change: str
    sentence: str


SERVER, MANAGER, SCHEDULER, KUBELET, CLIENT = (
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kubelet",
    "kubectl",
)
ONCE = range(1, 6)
APPLY = range(6, 29)
END = range(29, 34)
SCALE = range(34, 36)
DELETE = range(36, 38)

STEPS: dict[int, Row] = {
    1: Row(SERVER, "cmd/kube-controller-manager: Run", "pybernetes up", "", "the process starts"),
    2: Row(MANAGER, "controllermanager: RunControllers", "step 1", "", "a controller is started"),
    3: Row(MANAGER, "controllermanager: NewControllerDescriptors", "step 2", "", "names become constructors"),
    4: Row(MANAGER, "replicaset: NewReplicaSetController", "step 3", "", "a controller is built with its watches"),
    5: Row(MANAGER, "replicaset: Run", "its caches are filled", "", "a controller's workers run"),
    6: Row(CLIENT, "kubectl apply", "you", "", "the object is sent"),
    7: Row(
        SERVER, "registry/generic: Store.Create", "a request", "created", "filters, admission, strategy have passed it"
    ),
    8: Row(SERVER, "storage/cacher: processEvent", "a revision is stored", "", "watchers hear of it"),
    9: Row("", "client-go/tools/cache: processDeltas", "a watch event", "", "an informer's cache has it, handlers run"),
    10: Row(MANAGER, "replicaset: processNextWorkItem", "a key in the queue", "", "a worker takes the key"),
    11: Row(MANAGER, "replicaset: syncReplicaSet", "step 10", "", "one sync: what is there, what is wanted"),
    12: Row(MANAGER, "replicaset: manageReplicas", "step 11", "", "how many too few or too many"),
    13: Row(MANAGER, "replicaset: slowStartBatch", "step 12", "", "in batches of 1, 2, 4 …"),
    14: Row(MANAGER, "controller: CreatePods", "step 13", "", "one Pod, with its owner"),
    15: Row(MANAGER, "controller: createPods", "step 14", "a Pod without a node", "it is posted"),
    16: Row(MANAGER, "replicaset: updateReplicaSetStatus", "its Pods were seen", "status.replicas", "the owner counts"),
    17: Row(SCHEDULER, "scheduler: addPodToSchedulingQueue", "a Pod without a node", "", "the Pod is queued"),
    18: Row(KUBELET, "kubelet/config: NewSourceApiserver", "", "", "nothing: it watches Pods of its node only"),
    19: Row(SCHEDULER, "scheduler: ScheduleOne", "the queue's head", "", "filter, score, choose"),
    20: Row(SCHEDULER, "scheduler: assume", "step 19", "", "the node is set on the scheduler's own copy"),
    21: Row(SCHEDULER, "scheduler: bind", "step 20", "spec.nodeName, PodScheduled", "the binding is posted"),
    22: Row(SCHEDULER, "scheduler: addPodToCache", "the bound Pod is seen", "", "the assumption is confirmed"),
    23: Row(KUBELET, "kubelet: HandlePodAdditions", "the bound Pod is seen", "", "the node's kubelet takes it"),
    24: Row(KUBELET, "kubelet: SyncPod", "its worker", "status: Pending", "where it stands is reported first"),
    25: Row(KUBELET, "volumemanager: WaitForAttachAndMount", "step 24", "", "directories and volumes"),
    26: Row(KUBELET, "kuberuntime: SyncPod", "step 25", "", "sandbox, then containers, by the runtime"),
    27: Row(KUBELET, "status: syncPod", "the runtime says that it runs", "status: Running, Ready", "it is reported"),
    28: Row("", "replicaset, endpointslice, proxy", "the Pod is ready", "readyReplicas", "it counts, and has traffic"),
    29: Row(SERVER, "rest: BeforeDelete", "a DELETE", "deletionTimestamp", "it gets its grace period"),
    30: Row(MANAGER, "replicaset: updatePod", "the timestamp is seen", "", "it does not count: another is made"),
    31: Row(KUBELET, "kubelet: SyncTerminatingPod", "the timestamp is seen", "", "preStop, SIGTERM, SIGKILL"),
    32: Row(KUBELET, "kubelet: SyncTerminatedPod", "all containers are dead", "final status", "volumes go"),
    33: Row(KUBELET, "status: syncPod", "step 32", "the Pod is gone", "DELETE with grace 0 and its uid"),
    34: Row(SERVER, "apps/rest: ScaleREST.Update", "kubectl scale", "spec.replicas", "fewer are wanted"),
    35: Row(MANAGER, "replicaset: getPodsToDelete", "step 12", "a DELETE for each", "those missed least go"),
    36: Row(MANAGER, "podgc", "", "", "nothing: what ended by itself is not deleted by its owner"),
    37: Row(MANAGER, "garbagecollector: attemptToDeleteItem", "the owner is gone or going", "", "its Pods go too"),
    38: Row(MANAGER, "replicaset: queue.Forget", "a sync without failure", "", "nothing more to do"),
}

REASONS: dict[int, tuple[str, ...]] = {
    15: ("SuccessfulCreate",),
    21: ("Scheduled",),
    26: ("Pulling", "Pulled", "Created", "Started"),
    31: ("Killing",),
    35: ("SuccessfulDelete",),
}
"""Reasons of the Events that a step leaves."""
