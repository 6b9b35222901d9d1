"""How each component is built from the cluster's configuration: the one place for it, whoever runs them."""

import dataclasses
import ssl

import msgspec

from pybernetes.aio import clock as clocks
from pybernetes.apimachinery import errors
from pybernetes.apiserver import app
from pybernetes.apiserver.authn import loopback, x509
from pybernetes.cluster import config as configs
from pybernetes.cluster import identities, pki
from pybernetes.controllers import context as controller_context
from pybernetes.controllers import manager
from pybernetes.crypto import certs, jwt
from pybernetes.http import messages, protocol, tls
from pybernetes.kubelet import config as kubelet_configs
from pybernetes.kubelet import kubelet as kubelets
from pybernetes.kubelet.cri import simulated
from pybernetes.scheduler import scheduler as schedulers
from pybernetes.storage import backend as backends
from pybernetes.storage import etcd, memory, sqlite

MASTERS = ("system:masters",)
ADMIN = "kubernetes-admin"


@dataclasses.dataclass(frozen=True, slots=True)
class Secrets:
    """The keys of a control plane: the authority that clients are known by, the key that signs their tokens."""

    authority: certs.Pair
    service_account_key: bytes = dataclasses.field(repr=False)


def backend(config: configs.ClusterConfig, paths: configs.Paths | None, clock: clocks.Clock) -> backends.Backend:
    """The store that the configuration names."""
    if config.storage == "etcd" and config.etcd is not None:
        return etcd.EtcdBackend(config.etcd, clock=clock)
    if config.storage == "memory" or paths is None:
        return memory.MemoryBackend(clock=clock)
    return sqlite.SqliteBackend(paths.database, clock=clock)


def api_server(
    config: configs.ClusterConfig,
    secrets: Secrets,
    store: backends.Backend,
    clock: clocks.Clock,
    paths: configs.Paths | None = None,
) -> tuple[app.ApiServer, identities.Identities]:
    """The API server, and clients in its process; without `paths` it keeps no audit log."""
    tokens = loopback.LoopbackTokens()
    settings = app.ServerConfig(
        certificate=x509.CertificateAuthenticator(clock),
        tokens=(tokens,),
        service_account_keys=jwt.Keys(secrets.service_account_key),
        service_account_issuer=f"https://kubernetes.default.svc.{config.domain}",
        audit_log=paths.audit_log if paths is not None else None,
        simulated_nodes=not config.nodes,
        kubelet_tls=(lambda: kubelet_tls(paths)) if paths is not None else None,
        advertise_address=config.control_plane_address if config.nodes else "127.0.0.1",
        port=config.port,
        service_range=config.service_range,
    )
    server = app.ApiServer(settings, store, clock)
    return server, identities.Identities(server.handle, tokens, clock)


def kubelet_tls(paths: configs.Paths) -> ssl.SSLContext:
    """How the API server shows itself to kubelets, and whom it takes for one."""
    pair = pki.read_pair(paths.pki, "apiserver-kubelet-client")
    return tls.client_context((paths.pki / "ca.crt").read_bytes(), pair.certificate, pair.key)


def http_settings() -> protocol.Settings:
    """How the API server's socket behaves: what reaches no handler is answered as net/http does."""

    def error_response(code: int, text: str) -> messages.Response:
        if code != 413:
            return protocol.plain_error(code, text)
        status = errors.RequestEntityTooLarge(f"limit is {protocol.DEFAULTS.body_limit}").status()
        return messages.Response(code, [("Content-Type", "application/json")], msgspec.json.encode(status) + b"\n")

    return protocol.Settings(error_response=error_response, name="kube-apiserver")


def controller_settings(settings: controller_context.Settings, secrets: Secrets) -> controller_context.Settings:
    """These settings, with what the controllers must know of the control plane's keys."""
    return dataclasses.replace(
        settings,
        root_ca=settings.root_ca or secrets.authority.certificate.decode(),
        service_account_key=secrets.service_account_key.decode(),
    )


def controller_manager(
    who: identities.Identities,
    clock: clocks.Clock,
    settings: controller_context.Settings,
    selection: tuple[str, ...] = ("*",),
) -> manager.ControllerManager:
    """The controllers, each with the identity of its service account."""
    reader = who.client("system:kube-controller-manager")
    return manager.ControllerManager(reader, who.account, clock, settings, selection)


def simulated_node(
    config: configs.ClusterConfig, who: identities.Identities, clock: clocks.Clock, index: int
) -> kubelets.Kubelet:
    """Simulated node `index` (from 1): the kubelet, with its own identity, over a runtime that runs nothing.

    Nobody answers at its addresses, and nobody asks.
    """
    name = config.simulated_node_name(index)
    pods = config.simulated_range(index)
    settings = kubelet_configs.KubeletConfig(
        node_name=name,
        node_ip=config.simulated_address(index),
        pod_cidr=pods,
        cluster_domain=config.domain,
        simulated=True,
    )
    client = who.client(f"system:node:{name}", ("system:nodes",))
    return kubelets.Kubelet(client, clock, settings, simulated.FakeRuntime(clock, pods))


def scheduler(who: identities.Identities, clock: clocks.Clock) -> schedulers.Scheduler:
    """The scheduler with its default profile."""
    return schedulers.Scheduler(who.client("system:kube-scheduler"), clock)
