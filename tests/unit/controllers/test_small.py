"""Controllers of one idea each, against a real API server."""

import datetime

import pytest

from pybernetes.api.types import core, meta
from pybernetes.apimachinery import errors, timestamps
from pybernetes.controllers import bootstrap_tokens, context, node_ipam, node_ttl, table

SIGNED = "eyJhbGciOiJIUzI1NiIsImtpZCI6ImFiY2RlZiJ9..bTeHbksnlLJBm7Vi0Ei2oppeiyS8yaqjp8xiz72--Bs"
ROLE = "rbac.authorization.k8s.io/v1/ClusterRole"
JOB = "batch/v1/Job"


async def test_aggregated_roles_follow_their_parts(cluster):
    await cluster.run("clusterrole-aggregation-controller")
    await cluster.settle()
    view = await cluster.get(ROLE, "view", "")
    assert len(view["rules"]) > 5
    rule = {"apiGroups": ["example.com"], "resources": ["wheels"], "verbs": ["get"]}
    label = {"rbac.authorization.k8s.io/aggregate-to-view": "true"}
    part = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "rules": [rule]}
    await cluster.apply({**part, "metadata": {"name": "wheels", "labels": label}}, "")
    await cluster.settle()
    for name in ("view", "edit", "admin"):
        assert rule in (await cluster.get(ROLE, name, ""))["rules"]
    await cluster.delete(ROLE, "wheels", "")
    await cluster.settle()
    assert (await cluster.get(ROLE, "view", ""))["rules"] == view["rules"]


async def test_finished_jobs_go_when_their_time_is_over(cluster):
    await cluster.run("ttl-after-finished-controller")
    spec = {"template": cluster.template({}, restartPolicy="Never"), "ttlSecondsAfterFinished": 100}
    await cluster.apply({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "j"}, "spec": spec})
    await cluster.settle(200)
    now = timestamps.format_time(cluster.clock.now())
    done = [{"type": kind, "status": "True", "lastTransitionTime": now} for kind in ("SuccessCriteriaMet", "Complete")]
    status = {"conditions": done, "startTime": now, "completionTime": now}
    await cluster.patch(JOB, "j", {"status": status}, subresource="status")
    await cluster.settle(98)
    await cluster.get(JOB, "j")
    await cluster.settle(5)
    job = await gone(cluster, JOB, "j")
    assert job is None or "deletionTimestamp" in job["metadata"]


async def gone(cluster, kind, name):
    try:
        return await cluster.get(kind, name)
    except errors.NotFound:
        return None


async def test_nodes_get_their_ranges(cluster):
    node = {"apiVersion": "v1", "kind": "Node"}
    await cluster.apply({**node, "metadata": {"name": "old"}, "spec": {"podCIDR": "10.9.0.0/24"}}, "")
    await cluster.run("nodeipam", settings=context.Settings(cluster_cidr="10.9.0.0/22"))
    for name in ("a", "b", "c", "d"):
        await cluster.apply({**node, "metadata": {"name": name}}, "")
        await cluster.settle()
    found = {name: (await cluster.get("Node", name, ""))["spec"].get("podCIDRs") for name in ("a", "b", "c", "d")}
    assert found == {"a": ["10.9.1.0/24"], "b": ["10.9.2.0/24"], "c": ["10.9.3.0/24"], "d": None}
    assert ("CIDRNotAvailable", "Node d status is now: CIDRNotAvailable") in await cluster.events("d")
    await cluster.delete("Node", "a", "")
    await cluster.settle(10)
    assert (await cluster.get("Node", "d", ""))["spec"]["podCIDR"] == "10.9.1.0/24"


async def test_a_controller_with_nothing_to_do_is_skipped(cluster):
    await cluster.run("nodeipam")


def test_cidr_set_knows_its_own():
    one = node_ipam.CidrSet("10.0.0.0/23", 24)
    assert not one.occupy("192.168.0.0/24")
    assert one.occupy("10.0.0.0/24")
    assert one.allocate_next() == "10.0.1.0/24"
    with pytest.raises(node_ipam.CidrsExhausted):
        one.allocate_next()
    one.release("10.0.0.0/24")
    assert one.allocate_next() == "10.0.0.0/24"


def test_selection_of_controllers():
    assert {*table.enabled()} == {name for name, row in table.CONTROLLERS.items() if row.on_by_default}
    assert [*table.enabled(("nodeipam",))] == ["node-ipam-controller"]
    assert "replicaset-controller" not in table.enabled(("*", "-replicaset"))
    with pytest.raises(table.UnknownController, match='"nothing" is not in the list of known controllers'):
        table.enabled(("nothing",))


async def test_nodes_learn_how_long_to_believe(cluster):
    await cluster.run("ttl")
    await cluster.apply({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n"}}, "")
    await cluster.settle()
    node = await cluster.get("Node", "n", "")
    assert node["metadata"]["annotations"][node_ttl.ANNOTATION] == "0"


async def test_larger_clusters_wait_longer(cluster):
    made = node_ttl.TTLController(cluster.context())
    seconds = []
    for change in (made._added,) * 101 + (made._deleted,) * 12:
        change(core.Node(metadata=meta.ObjectMeta(name="n")))
        seconds.append(node_ttl.STEPS[made._step].seconds)
    assert (seconds[99], seconds[100], seconds[111], seconds[112]) == (0, 15, 15, 0)


def token(name, **data):
    known = {"token-id": name, "token-secret": "0123456789abcdef", "usage-bootstrap-signing": "true", **data}
    about = {"apiVersion": "v1", "kind": "Secret", "type": bootstrap_tokens.TYPE}
    return {**about, "metadata": {"name": f"bootstrap-token-{name}"}, "stringData": known}


async def test_tokens_sign_cluster_info_until_they_end(cluster):
    await cluster.run("bootstrapsigner", "tokencleaner")
    ends = timestamps.format_time(cluster.clock.now() + datetime.timedelta(seconds=100))
    await cluster.apply(token("abcdef", expiration=ends), "kube-system")
    await cluster.apply(token("unused", **{"usage-bootstrap-signing": "false"}), "kube-system")
    info = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "cluster-info"}}
    await cluster.apply({**info, "data": {"kubeconfig": "config"}}, "kube-public")
    await cluster.settle(50)
    data = (await cluster.get("ConfigMap", "cluster-info", "kube-public"))["data"]
    # as upstream's jws.ComputeDetachedSignature has it
    assert data == {"kubeconfig": "config", "jws-kubeconfig-abcdef": SIGNED}
    await cluster.settle(60)
    assert await gone_in(cluster, "kube-system", "bootstrap-token-abcdef")
    assert not await gone_in(cluster, "kube-system", "bootstrap-token-unused")
    data = (await cluster.get("ConfigMap", "cluster-info", "kube-public"))["data"]
    assert data == {"kubeconfig": "config"}


async def gone_in(cluster, namespace, name):
    return all(one["metadata"]["name"] != name for one in await cluster.list_all("Secret", namespace))
