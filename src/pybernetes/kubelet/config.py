"""The kubelet's settings: one frozen record, made by whoever runs it.

Upstream: pkg/kubelet/apis/config (KubeletConfiguration) and its flags. Pure.
"""

import dataclasses
import pathlib
from collections.abc import Mapping


@dataclasses.dataclass(frozen=True, slots=True)
class KubeletConfig:
    """What a kubelet must know; field names follow upstream's configuration in snake case.

    `simulated` is for nodes without a kernel: no mounts, no cgroups, no server, the pod's files are not written.
    """

    node_name: str
    root_dir: pathlib.Path = pathlib.Path("/var/lib/kubelet")
    pod_logs_dir: pathlib.Path = pathlib.Path("/var/log/pods")
    container_runtime_endpoint: str = "unix:///run/containerd/containerd.sock"
    node_ip: str = ""
    hostname: str = ""
    pod_cidr: str = ""
    cluster_dns: tuple[str, ...] = ()
    cluster_domain: str = "cluster.local"
    resolv_conf: str = "/etc/resolv.conf"
    node_labels: Mapping[str, str] = dataclasses.field(default_factory=dict)
    node_annotations: Mapping[str, str] = dataclasses.field(default_factory=dict)
    register_with_taints: tuple[tuple[str, str, str], ...] = ()
    """(key, value, effect)"""
    register_node: bool = True
    provider_id: str = ""
    port: int = 10250
    address: str = ""
    tls_cert_file: str = ""
    tls_private_key_file: str = ""
    client_ca_file: str = ""
    anonymous_auth: bool = False
    static_pod_path: str = ""
    max_pods: int = 110
    pods_capacity: Mapping[str, str] = dataclasses.field(default_factory=dict)
    """overrides of node capacity, resource name → quantity; simulated nodes set cpu and memory here"""
    system_reserved: Mapping[str, str] = dataclasses.field(default_factory=dict)
    kube_reserved: Mapping[str, str] = dataclasses.field(default_factory=dict)
    cgroup_driver: str = "cgroupfs"
    cgroup_root: str = "/"
    """the node's own group; `kubepods` is made below it"""
    cgroups_per_qos: bool = True
    cpu_cfs_quota: bool = True
    cpu_cfs_quota_period: float = 0.1
    pod_pids_limit: int = -1
    image_gc_high_threshold: int = 85
    image_gc_low_threshold: int = 80
    image_minimum_gc_age: float = 120.0
    container_log_max_size: int = 10 * 1024 * 1024
    container_log_max_files: int = 5
    container_log_monitor_interval: float = 10.0
    sync_frequency: float = 60.0
    housekeeping_interval: float = 60.0
    relist_period: float = 1.0
    """when the runtime has no events"""
    relist_period_with_events: float = 60.0
    node_status_update_frequency: float = 10.0
    node_status_report_frequency: float = 300.0
    node_lease_duration_seconds: int = 40
    pod_infra_image: str = "localhost/pybernetes/pause:1"
    """never collected as garbage"""
    max_containers_per_pod: int = 1
    """dead containers kept of each container of a live pod"""
    simulated: bool = False

    @property
    def pods_dir(self) -> pathlib.Path:
        return self.root_dir / "pods"

    def pod_dir(self, uid: str) -> pathlib.Path:
        return self.root_dir / "pods" / uid

    def volume_dir(self, uid: str, plugin: str, name: str) -> pathlib.Path:
        """`<pod>/volumes/kubernetes.io~configmap/NAME`, as upstream lays it out."""
        return self.pod_dir(uid) / "volumes" / plugin.replace("/", "~") / name
