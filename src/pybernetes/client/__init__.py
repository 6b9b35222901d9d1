"""The client library: all that is not the API server reaches the cluster through it; operators are written on it.

    connect                               a client of any cluster, by kubeconfig or from within a Pod
    transport, credentials, kubeconfig    a request and its answer, over HTTP or in process; where, as whom
    rest, mapping, discovery              typed verbs on any kind; what the server serves
    decode, pagination, patches           bytes to objects, lists in pages, what to send
    reflector, informer                   list and watch as a state machine; caches, indexes, handlers
    workqueue, controller, expectations   keys once, later, slower; THE control loop; writes not seen yet
    leader_election, events               one of several; what happened, for people to read

An operator, whole:

    client = connect.client()
    async with tasks.TaskGroup("operator") as group:
        factory = informer.InformerFactory(client, client.clock, group)
        pods = factory.informer(core.Pod)

        async def sync(key: str) -> None:
            print(key, pods.by_key(key))

        loop = controller.Controller("pods", sync, clock=client.clock)
        loop.watches(pods)
        await factory.start()
        await loop.run()

With api.types (objects as frozen structs), apimachinery.errors, aio.clock and aio.tasks this is the public interface:
typed, documented, and against any Kubernetes. docs/writing-an-operator.md walks through it.

Law: knows the server only through the API: never imports storage or apiserver.
Upstream: k8s.io/client-go.
"""
