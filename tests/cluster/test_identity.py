"""Tokens, reviews and the limits of nodes, through the real server."""

import base64

import pytest

from pybernetes.apimachinery import errors
from pybernetes.testing.cluster import Cluster

pytestmark = pytest.mark.cluster(nodes=0, scheduler=False, controllers=("serviceaccount-controller",))

POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "a"},
    "spec": {"containers": [{"name": "c", "image": "x"}]},
}


async def _token(cluster: Cluster, **spec: object) -> dict:
    await cluster.wait("v1", "ServiceAccount", lambda found: bool(found), "default")
    accounts = cluster.client.dynamic("v1", "ServiceAccount")
    return await accounts.create_subresource("default", "token", {"spec": spec}, "default")


async def test_an_issued_token_is_known(cluster: Cluster) -> None:
    issued = await _token(cluster)
    review = {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenReview",
        "spec": {"token": issued["status"]["token"]},
    }
    answer = await cluster.client.dynamic("authentication.k8s.io/v1", "TokenReview").create(review)
    assert answer["status"]["authenticated"] is True
    assert answer["status"]["user"]["username"] == "system:serviceaccount:default:default"
    assert "system:serviceaccounts:default" in answer["status"]["user"]["groups"]


async def test_a_forged_token_is_not(cluster: Cluster) -> None:
    issued = await _token(cluster)
    forged = issued["status"]["token"][:-6] + "AAAAAA"
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": forged}}
    answer = await cluster.client.dynamic("authentication.k8s.io/v1", "TokenReview").create(review)
    assert not answer["status"].get("authenticated")


@pytest.mark.cluster(nodes=0, scheduler=False, controllers=("serviceaccount", "serviceaccount-token"))
async def test_tokens_kept_in_secrets(cluster: Cluster) -> None:
    """A token Secret is filled, its token is known while it is there, and it goes with its account."""
    accounts, secrets = cluster.client.dynamic("v1", "ServiceAccount"), cluster.client.dynamic("v1", "Secret")
    about = {"annotations": {"kubernetes.io/service-account.name": "old"}}
    made = {"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/service-account-token"}
    await accounts.create({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "old"}}, "default")
    for name in ("first", "second"):
        await secrets.create({**made, "metadata": {"name": name, **about}}, "default")
    found = await cluster.wait("v1", "Secret", lambda all_: all("token" in one.get("data", {}) for one in all_))
    tokens = {one["metadata"]["name"]: base64.b64decode(one["data"]["token"]).decode() for one in found}
    assert set(found[0]["data"]) == {"ca.crt", "namespace", "token"}
    account = await accounts.get("old", "default")
    uids = {one["metadata"]["annotations"]["kubernetes.io/service-account.uid"] for one in found}
    assert uids == {account["metadata"]["uid"]}

    async def review(name: str) -> dict:
        asked = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": tokens[name]}}
        return (await cluster.client.dynamic("authentication.k8s.io/v1", "TokenReview").create(asked))["status"]

    answer = await review("first")
    assert answer["user"]["username"] == "system:serviceaccount:default:old"
    await secrets.delete("first", "default")
    assert "invalidated" in (await review("first"))["error"]
    await accounts.delete("old", "default")
    await cluster.wait("v1", "Secret", lambda left: not left)
    assert not (await review("second")).get("authenticated")


async def test_short_lives_are_refused(cluster: Cluster) -> None:
    with pytest.raises(errors.Invalid, match="less than 10 minutes"):
        await _token(cluster, expirationSeconds=10)


async def test_access_reviews(cluster: Cluster) -> None:
    async def allowed(user: str, verb: str) -> bool:
        attributes = {"verb": verb, "resource": "pods", "namespace": "default"}
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SubjectAccessReview",
            "spec": {"user": user, "resourceAttributes": attributes},
        }
        answer = await cluster.client.dynamic("authorization.k8s.io/v1", "SubjectAccessReview").create(review)
        return bool(answer["status"]["allowed"])

    assert await allowed("system:kube-scheduler", "list")
    assert not await allowed("system:kube-scheduler", "create")
    assert not await allowed("nobody", "list")


async def test_a_stranger_may_not_read(cluster: Cluster) -> None:
    with pytest.raises(errors.Forbidden, match='User "eve" cannot list resource "pods"'):
        await cluster.as_user("eve").dynamic("v1", "Pod").list("default")


async def test_a_node_reads_only_its_own(cluster: Cluster) -> None:
    await cluster.wait("v1", "ServiceAccount", lambda found: bool(found), "default")
    await cluster.apply({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "mine"}})
    await cluster.apply({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "other"}})
    volume = {"name": "v", "secret": {"secretName": "mine"}}
    await cluster.apply({**POD, "spec": {**POD["spec"], "nodeName": "n1", "volumes": [volume]}})
    node = cluster.as_user("system:node:n1", "system:nodes")
    assert (await node.dynamic("v1", "Secret").get("mine", "default"))["metadata"]["name"] == "mine"
    with pytest.raises(errors.Forbidden, match="no relationship found between node 'n1' and this object"):
        await node.dynamic("v1", "Secret").get("other", "default")
    with pytest.raises(errors.Forbidden):
        await cluster.as_user("system:node:n2", "system:nodes").dynamic("v1", "Secret").get("mine", "default")
    with pytest.raises(errors.Forbidden, match="is not allowed to modify node"):
        await node.dynamic("v1", "Node").create({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n2"}})
