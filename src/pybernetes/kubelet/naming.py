"""Host names, resolv.conf and /etc/hosts of a pod.

Upstream: pkg/kubelet/network/dns/dns.go, pkg/kubelet/kubelet_pods.go (managedHostsFileContent). Pure.
"""

import dataclasses
from collections.abc import Iterable

from pybernetes.api.types import core
from pybernetes.kubelet.cri.runtime import Message

MAX_NAMESERVERS, MAX_SEARCHES = 3, 32
_NDOTS = "ndots:5"


@dataclasses.dataclass(frozen=True, slots=True)
class Resolver:
    """The content of a resolv.conf."""

    servers: tuple[str, ...] = ()
    searches: tuple[str, ...] = ()
    options: tuple[str, ...] = ()

    def message(self) -> Message:
        """`DNSConfig` of the CRI."""
        return {"servers": list(self.servers), "searches": list(self.searches), "options": list(self.options)}


def parse_resolv_conf(text: str) -> Resolver:
    """Nameservers, the last search list, the last options."""
    servers: list[str] = []
    searches: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    for line in text.splitlines():
        words = line.split()
        if not words or words[0][0] in "#;":
            continue
        if words[0] == "nameserver" and len(words) > 1:
            servers.append(words[1])
        elif words[0] == "search":
            searches = tuple(word.rstrip(".") or "." for word in words[1:])
        elif words[0] == "options":
            options = tuple(words[1:])
    return Resolver(tuple(servers), searches, options)


def pod_resolver(pod: core.Pod, host: Resolver, cluster_dns: tuple[str, ...], domain: str) -> Resolver:
    """What the pod's dnsPolicy and dnsConfig ask for."""
    policy = pod.spec.dnsPolicy or "ClusterFirst"
    if policy == "ClusterFirst" and pod.spec.hostNetwork:
        policy = "Default"
    if policy in ("ClusterFirst", "ClusterFirstWithHostNet") and not cluster_dns:
        policy = "Default"
    if policy == "None":
        resolver = Resolver()
    elif policy == "Default":
        resolver = host
    else:
        names = (f"{pod.metadata.namespace}.svc.{domain}", f"svc.{domain}", domain) if domain else ()
        resolver = Resolver(cluster_dns, _unique((*names, *host.searches)), (_NDOTS,))
    return _with_config(resolver, pod.spec.dnsConfig)


def _with_config(resolver: Resolver, config: core.PodDNSConfig | None) -> Resolver:
    if config is not None:
        options = {one.partition(":")[0]: one for one in resolver.options}
        for option in config.options:
            options[option.name] = f"{option.name}:{option.value}" if option.value is not None else option.name
        resolver = Resolver(
            _unique((*resolver.servers, *config.nameservers)),
            _unique((*resolver.searches, *config.searches)),
            tuple(options.values()),
        )
    return Resolver(resolver.servers[:MAX_NAMESERVERS], resolver.searches[:MAX_SEARCHES], resolver.options)


def _unique(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(texts))


def host_name(pod: core.Pod, domain: str) -> tuple[str, str]:
    """The pod's host name (at most 63 characters) and its domain (empty without a subdomain)."""
    name = pod.spec.hostnameOverride or pod.spec.hostname or pod.metadata.name
    if len(name) > 63:
        name = name[:63].rstrip("-.")
    host_domain = ""
    if pod.spec.subdomain and not pod.spec.hostnameOverride:
        host_domain = f"{pod.spec.subdomain}.{pod.metadata.namespace}.svc.{domain}"
    if pod.spec.setHostnameAsFQDN and host_domain:
        return f"{name}.{host_domain}", host_domain
    return name, host_domain


def hosts_file(pod: core.Pod, ips: Iterable[str], host: str, domain: str) -> str:
    """/etc/hosts of a pod with its own network."""
    lines = ["# Kubernetes-managed hosts file.", "127.0.0.1\tlocalhost", "::1\tlocalhost ip6-localhost ip6-loopback"]
    lines += ["fe00::\tip6-localnet", "fe00::\tip6-mcastprefix", "fe00::1\tip6-allnodes", "fe00::2\tip6-allrouters"]
    for ip in ips:
        lines.append(f"{ip}\t{host}.{domain}\t{host}" if domain else f"{ip}\t{host}")
    return "\n".join(lines) + "\n" + _aliases(pod)


def host_network_hosts_file(pod: core.Pod, node_file: str) -> str:
    """/etc/hosts of a pod on the node's network: the node's, and the pod's aliases."""
    head = "# Kubernetes-managed hosts file (host network).\n"
    return head + node_file + _aliases(pod)


def _aliases(pod: core.Pod) -> str:
    if not pod.spec.hostAliases:
        return ""
    entries = "".join(f"{one.ip}\t{chr(9).join(one.hostnames)}\n" for one in pod.spec.hostAliases)
    return f"\n# Entries added by HostAliases.\n{entries}"
