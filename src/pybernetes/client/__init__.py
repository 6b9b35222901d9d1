"""The client library: everything that is not the API server reaches the cluster through it; operators are written on it.

    transport    a request and its answer: over HTTP or in process       credentials, kubeconfig    where, as whom
    rest         typed verbs on any kind                                 mapping, discovery         what the server serves
    reflector    list and watch, as a state machine                      pagination, decode         lists, bytes to objects
    informer     local caches, indexes, handlers
    workqueue    keys: once, later, slower                               expectations               writes not seen yet
    controller   THE control loop                                        leader_election            one of several
    events       what happened, for people to read                       patches                    what to send

An operator, whole:

    client = rest.Client(transport.HttpTransport(kubeconfig.load().credentials(), clock), clock)
    async with tasks.TaskGroup("operator") as group:
        factory = informer.InformerFactory(client, clock, group)
        pods = factory.informer(core.Pod)

        async def sync(key: str) -> None:
            print(key, pods.by_key(key))

        loop = controller.Controller("pods", sync, clock=clock)
        loop.watches(pods)
        await factory.start()
        await loop.run()

Law: knows the server only through the API: never imports storage or apiserver.
Upstream: k8s.io/client-go.
"""
