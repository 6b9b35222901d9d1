"""The Kubernetes controller manager runs the control loops that bring the cluster to the state its objects ask for.

It reaches the API server with the identity of a kubeconfig (user `system:kube-controller-manager`); with
--use-service-account-credentials each controller acts as a service account of its own.
"""

import argparse
import pathlib

from pybernetes.cli import flags, foreground
from pybernetes.cluster.standalone import connections, controller_manager
from pybernetes.controllers import context

CONCURRENT: dict[str, tuple[str, str]] = {
    "--concurrent-daemonset-syncs": ("concurrent_daemonset_syncs", "DaemonSets"),
    "--concurrent-deployment-syncs": ("concurrent_deployment_syncs", "Deployments"),
    "--concurrent-endpoint-syncs": ("concurrent_endpoint_syncs", "Services for their Endpoints"),
    "--concurrent-gc-syncs": ("concurrent_gc_syncs", "objects whose owner may be gone"),
    "--concurrent-job-syncs": ("concurrent_job_syncs", "Jobs"),
    "--concurrent-cron-job-syncs": ("concurrent_cron_job_syncs", "CronJobs"),
    "--concurrent-namespace-syncs": ("concurrent_namespace_syncs", "namespaces that are being deleted"),
    "--concurrent-resource-quota-syncs": ("concurrent_resource_quota_syncs", "ResourceQuotas"),
    "--concurrent-rc-syncs": ("concurrent_rc_syncs", "ReplicationControllers"),
    "--concurrent-replicaset-syncs": ("concurrent_replicaset_syncs", "ReplicaSets"),
    "--concurrent-service-endpoint-syncs": ("concurrent_service_endpoint_syncs", "Services for their EndpointSlices"),
    "--concurrent-serviceaccount-token-syncs": ("concurrent_serviceaccount_token_syncs", "service account tokens"),
    "--concurrent-statefulset-syncs": ("concurrent_statefulset_syncs", "StatefulSets"),
}
NODE_PERIODS = {
    "node_monitor_period": "how often nodes are looked at",
    "node_monitor_grace_period": "how long a node may be silent",
    "node_startup_grace_period": "how long a new node may be silent",
}
NODE_RATES = {
    "node_eviction_rate": "from how many lost nodes a second Pods may be evicted",
    "secondary_node_eviction_rate": "the same in a zone of which too many are lost; 0 in a small cluster",
    "large_cluster_size_threshold": "up to how many nodes a cluster counts as small",
    "unhealthy_zone_threshold": "the share of lost nodes that is too many, if they are at least three",
}
DEFAULTS = context.Settings()


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Upstream's flags."""
    generic = parser.add_argument_group("Generic flags")
    generic.add_argument(
        "--controllers",
        type=flags.listed,
        default=("*",),
        metavar="LIST",
        help="which run: '*' those on by default, 'foo' that one, '-foo' not that one (default: *); "
        "`pybernetes controllers` lists them",
    )
    flags.add_boolean(
        generic, "--use-service-account-credentials", False, "let each controller act as its own service account"
    )
    generic.add_argument("--cluster-cidr", default="", metavar="CIDR", help="the range of Pod addresses")
    flags.add_boolean(generic, "--allocate-node-cidrs", False, "give each node a part of --cluster-cidr")
    generic.add_argument(
        "--node-cidr-mask-size",
        type=int,
        default=DEFAULTS.node_cidr_mask_size,
        metavar="BITS",
        help="how big that part is (default: %(default)s)",
    )
    generic.add_argument(
        "--root-ca-file", default="", metavar="FILE", help="the authority that Pods shall trust, put in every namespace"
    )
    generic.add_argument(
        "--service-account-private-key-file",
        default="",
        metavar="FILE",
        help="the key that signs the tokens kept in Secrets (default: none, there are no such tokens)",
    )
    life = parser.add_argument_group("Node lifecycle controller flags")
    for attribute, text in NODE_PERIODS.items():
        default = getattr(DEFAULTS, attribute)
        help_text = f"{text} (default: {default:g}s)"
        life.add_argument(_flag(attribute), type=flags.seconds, default=default, metavar="DURATION", help=help_text)
    for attribute, text in NODE_RATES.items():
        default = getattr(DEFAULTS, attribute)
        help_text = f"{text} (default: {default:g})"
        life.add_argument(_flag(attribute), type=type(default), default=default, metavar="N", help=help_text)
    _add_counts(parser)
    flags.add_secure_serving(parser, 10257)
    flags.add_client(parser)
    flags.add_leader_election(parser, controller_manager.NAME)
    flags.add_logs(parser)


def _add_counts(parser: argparse.ArgumentParser) -> None:
    """How much is kept, how often it is counted, how many are worked on at once."""
    collector = parser.add_argument_group("Pod garbage collector controller flags")
    collector.add_argument(
        "--terminated-pod-gc-threshold",
        type=int,
        default=DEFAULTS.terminated_pod_gc_threshold,
        metavar="N",
        help="how many Pods that ended are kept (default: %(default)s)",
    )
    quota = parser.add_argument_group("ResourceQuota controller flags")
    quota.add_argument(
        "--resource-quota-sync-period",
        type=flags.seconds,
        default=DEFAULTS.resource_quota_sync_period,
        metavar="DURATION",
        help="after how long everything is counted anew (default: 5m)",
    )
    concurrent = parser.add_argument_group("Concurrency flags")
    for flag, (attribute, what) in CONCURRENT.items():
        default = getattr(DEFAULTS, attribute)
        text = f"how many {what} are worked on at once (default: {default})"
        concurrent.add_argument(flag, type=int, default=default, metavar="N", help=text)


def run(arguments: argparse.Namespace) -> int:
    """Work until told to stop."""
    return foreground.run(_work(arguments), controller_manager.NAME, arguments)


async def _work(arguments: argparse.Namespace) -> None:
    await controller_manager.run(
        controller_manager.ControllerManagerSettings(
            arguments.kubeconfig,
            arguments.master,
            arguments.controllers,
            arguments.use_service_account_credentials,
            foreground.election(arguments),
            foreground.serving(arguments),
            settings(arguments),
        )
    )


def settings(arguments: argparse.Namespace) -> context.Settings:
    """What the flags say to controllers. Raises SettingsError."""
    return context.Settings(
        resource_quota_sync_period=arguments.resource_quota_sync_period,
        terminated_pod_gc_threshold=arguments.terminated_pod_gc_threshold,
        cluster_cidr=arguments.cluster_cidr if arguments.allocate_node_cidrs else "",
        node_cidr_mask_size=arguments.node_cidr_mask_size,
        root_ca=_read("root-ca-file", arguments.root_ca_file),
        service_account_key=_read("service-account-private-key-file", arguments.service_account_private_key_file),
        **{attribute: getattr(arguments, attribute) for attribute in (*NODE_PERIODS, *NODE_RATES)},
        **{attribute: getattr(arguments, attribute) for attribute, _ in CONCURRENT.values()},
    )


def _flag(attribute: str) -> str:
    return "--" + attribute.replace("_", "-")


def _read(flag: str, path: str) -> str:
    try:
        return pathlib.Path(path).read_text() if path else ""
    except OSError as error:
        raise connections.SettingsError(f"error reading {flag} at {path}: {error}") from error
