"""EndpointSlices against a real API server."""

NAME = "endpointslice-controller"
SLICE = "discovery.k8s.io/v1/EndpointSlice"


async def setup(cluster):
    await cluster.apply({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1"}}, "")
    ports = [{"name": "http", "port": 80, "targetPort": 8080}]
    spec = {"selector": {"app": "web"}, "ports": ports}
    await cluster.apply({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": spec})
    for number in range(3):
        template = cluster.template({"app": "web"}, nodeName="n1")
        pod = {"apiVersion": "v1", "kind": "Pod", **template}
        pod["metadata"] = {**pod["metadata"], "name": f"p{number}"}
        await cluster.apply(pod)


async def up(cluster, number, **how):
    address = f"10.244.0.{number + 2}"
    await cluster.set_pod(f"p{number}", podIP=address, podIPs=[{"ip": address}], **how)


async def ready(cluster):
    found = [one for one in await cluster.list_all(SLICE) if one["metadata"]["name"].startswith("web-")]
    return {endpoint["addresses"][0]: endpoint["conditions"]["ready"] for one in found for endpoint in one["endpoints"]}


async def test_follows_pods(cluster):
    await cluster.run(NAME)
    await setup(cluster)
    await cluster.settle()
    (made,) = await cluster.list_all(SLICE, selector="kubernetes.io/service-name=web")
    assert made["endpoints"] == []
    assert made["metadata"]["labels"]["endpointslice.kubernetes.io/managed-by"] == "endpointslice-controller.k8s.io"
    await up(cluster, 0)
    await up(cluster, 1)
    await up(cluster, 2, ready=False)
    await cluster.settle(2.0)
    assert await ready(cluster) == {"10.244.0.2": True, "10.244.0.3": True, "10.244.0.4": False}
    await cluster.delete("Pod", "p0", grace_period=30)
    await cluster.settle(2.0)
    assert await ready(cluster) == {"10.244.0.2": False, "10.244.0.3": True, "10.244.0.4": False}
    await cluster.reap()
    await cluster.patch("Pod", "p1", {"metadata": {"labels": {"app": "other"}}})
    await cluster.settle(2.0)
    assert await ready(cluster) == {"10.244.0.4": False}
    assert len(await cluster.list_all(SLICE, selector="kubernetes.io/service-name=web")) == 1
    assert await cluster.events("web") == []


async def test_repairs_what_others_change(cluster):
    await cluster.run(NAME)
    await setup(cluster)
    await up(cluster, 0)
    await cluster.settle(2.0)
    (made,) = await cluster.list_all(SLICE, selector="kubernetes.io/service-name=web")
    await cluster.patch(SLICE, made["metadata"]["name"], {"endpoints": []})
    await cluster.settle(3.0)
    assert await ready(cluster) == {"10.244.0.2": True}
    await cluster.delete(SLICE, made["metadata"]["name"])
    await cluster.settle(3.0)
    assert await ready(cluster) == {"10.244.0.2": True}


async def test_takes_over_after_a_restart_without_writing(cluster):
    await cluster.run(NAME)
    await setup(cluster)
    await up(cluster, 0)
    await cluster.settle(2.0)
    before = await cluster.list_all(SLICE)
    await cluster.stop_controllers()
    await cluster.run(NAME)
    await cluster.settle(3.0)
    assert await cluster.list_all(SLICE) == before
