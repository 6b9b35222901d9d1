"""The environment variables of a container, from every source that may give one.

What they refer to is fetched by the caller first (`references`), so that this stays a function on values.

Upstream: pkg/kubelet/kubelet_pods.go (makeEnvironmentVariables), pkg/kubelet/envvars, pkg/fieldpath. Pure.
"""

import base64
import dataclasses
import re
from collections.abc import Callable, Iterable, Mapping

from pybernetes.api.types import core
from pybernetes.kubelet import env_file, expansion, resources, runtime_status


class MissingSourceError(ValueError):
    """A source that must exist does not; the text goes into the container's status."""


@dataclasses.dataclass(frozen=True, slots=True)
class Sources:
    """What the variables may refer to: objects by name in the pod's namespace, addresses, the node's resources."""

    config_maps: Mapping[str, core.ConfigMap] = dataclasses.field(default_factory=dict)
    secrets: Mapping[str, core.Secret] = dataclasses.field(default_factory=dict)
    services: tuple[core.Service, ...] = ()
    """all that may be linked: of the pod's namespace, and `kubernetes`"""
    pod_ips: tuple[str, ...] = ()
    host_ips: tuple[str, ...] = ()
    allocatable: Mapping[str, str] = dataclasses.field(default_factory=dict)
    node_name: str = ""
    files: Callable[[str, str], str] = lambda volume, _: _no_volume(volume)
    """the text of a file, by volume and path"""


def _no_volume(name: str) -> str:
    raise MissingSourceError(f'cannot find the volume "{name}" referenced by FileKeyRef')


def references(container: runtime_status.AnyContainer) -> tuple[set[str], set[str]]:
    """Names of the ConfigMaps and of the Secrets that the variables of a container need."""
    config_maps, secrets = set(), set()
    for source in container.envFrom:
        if source.configMapRef is not None:
            config_maps.add(source.configMapRef.name)
        if source.secretRef is not None:
            secrets.add(source.secretRef.name)
    for variable in container.env:
        if variable.valueFrom is not None and variable.valueFrom.configMapKeyRef is not None:
            config_maps.add(variable.valueFrom.configMapKeyRef.name)
        if variable.valueFrom is not None and variable.valueFrom.secretKeyRef is not None:
            secrets.add(variable.valueFrom.secretKeyRef.name)
    return config_maps, secrets


def make(pod: core.Pod, container: runtime_status.AnyContainer, sources: Sources) -> dict[str, str]:
    """All variables; later sources win: services, envFrom in order, env in order."""
    links = pod.spec.enableServiceLinks is None or pod.spec.enableServiceLinks
    services = service_variables(_linked(pod, sources.services, links))
    collected: dict[str, str] = {}
    for source in container.envFrom:
        collected.update(_from_object(pod, source, sources))
    for variable in container.env:
        text = _value(pod, container, variable, sources, {**services, **collected})
        if text is not None:
            collected[variable.name] = text
    return {**collected, **{name: text for name, text in services.items() if name not in collected}}


def _from_object(pod: core.Pod, source: core.EnvFromSource, sources: Sources) -> dict[str, str]:
    if source.configMapRef is not None:
        reference = source.configMapRef
        config_map = sources.config_maps.get(reference.name)
        if config_map is None:
            _require(bool(reference.optional), f'configmap "{reference.name}" not found')
            return {}
        return {f"{source.prefix}{key}": text for key, text in sorted(config_map.data.items())}
    if source.secretRef is not None:
        secret = sources.secrets.get(source.secretRef.name)
        if secret is None:
            _require(bool(source.secretRef.optional), f'secret "{source.secretRef.name}" not found')
            return {}
        return {f"{source.prefix}{key}": _decode(text) for key, text in sorted(secret.data.items())}
    return {}


def _value(
    pod: core.Pod,
    container: runtime_status.AnyContainer,
    variable: core.EnvVar,
    sources: Sources,
    known: Mapping[str, str],
) -> str | None:
    source = variable.valueFrom
    if source is None:
        return expansion.expand(variable.value, known)
    if source.fieldRef is not None:
        return field_value(source.fieldRef.fieldPath, pod, sources)
    if source.resourceFieldRef is not None:
        name = source.resourceFieldRef.containerName
        target = runtime_status.find_container(pod.spec, name) if name else container
        if target is None:
            raise MissingSourceError(f"container {name} not found")
        return resources.field_value(source.resourceFieldRef, target, sources.allocatable)
    namespace = pod.metadata.namespace
    if source.configMapKeyRef is not None:
        reference = source.configMapKeyRef
        config_map = sources.config_maps.get(reference.name)
        if config_map is None:
            _require(bool(reference.optional), f'configmap "{reference.name}" not found')
            return None
        if reference.key not in config_map.data:
            wanted = f"{namespace}/{reference.name}"
            _require(bool(reference.optional), f"couldn't find key {reference.key} in ConfigMap {wanted}")
            return None
        return config_map.data[reference.key]
    if source.secretKeyRef is not None:
        secret_key = source.secretKeyRef
        secret = sources.secrets.get(secret_key.name)
        if secret is None:
            _require(bool(secret_key.optional), f'secret "{secret_key.name}" not found')
            return None
        if secret_key.key not in secret.data:
            wanted = f"{namespace}/{secret_key.name}"
            _require(bool(secret_key.optional), f"couldn't find key {secret_key.key} in Secret {wanted}")
            return None
        return _decode(secret.data[secret_key.key])
    if source.fileKeyRef is not None:
        file = source.fileKeyRef
        try:
            text = env_file.value(sources.files(file.volumeName, file.path), file.key)
        except (OSError, env_file.EnvFileError) as failure:
            raise MissingSourceError("couldn't parse env file") from failure
        if not text:
            _require(bool(file.optional), f'environment variable key "{file.key}" not found in file "{file.path}"')
        return text or None
    return None


def _require(optional: bool, message: str) -> None:
    if not optional:
        raise MissingSourceError(message)


def _decode(text: str) -> str:
    return base64.b64decode(text).decode("utf-8", "surrogateescape")


# -- fields of the pod -----------------------------------------------------------------------------------------------

_SUBSCRIPT = re.compile(r"metadata\.(labels|annotations)\['(.*)'\]")


def field_value(path: str, pod: core.Pod, sources: Sources) -> str:
    """What a fieldRef reads."""
    metadata, spec = pod.metadata, pod.spec
    match = _SUBSCRIPT.fullmatch(path)
    if match is not None:
        entries = metadata.labels if match[1] == "labels" else metadata.annotations
        return entries.get(match[2], "")
    simple = {
        "metadata.name": metadata.name,
        "metadata.namespace": metadata.namespace,
        "metadata.uid": metadata.uid,
        "spec.nodeName": spec.nodeName or sources.node_name,
        "spec.serviceAccountName": spec.serviceAccountName,
        "status.hostIP": next(iter(sources.host_ips), ""),
        "status.hostIPs": ",".join(sources.host_ips),
        "status.podIP": next(iter(sources.pod_ips), ""),
        "status.podIPs": ",".join(sources.pod_ips),
    }
    if path in simple:
        return simple[path]
    if path in ("metadata.labels", "metadata.annotations"):
        entries = metadata.labels if path == "metadata.labels" else metadata.annotations
        return "\n".join(f"{key}={_quote(text)}" for key, text in sorted(entries.items()))
    raise MissingSourceError(f"unsupported fieldPath: {path}")


def _quote(text: str) -> str:
    """As Go's %q prints it."""
    escapes = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t", "\r": "\\r"}
    return '"' + "".join(escapes.get(character, character) for character in text) + '"'


# -- services --------------------------------------------------------------------------------------------------------


def _linked(pod: core.Pod, services: Iterable[core.Service], links: bool) -> list[core.Service]:
    """Services whose addresses a pod gets: `kubernetes` always, those of its namespace unless it says no."""
    chosen: dict[str, core.Service] = {}
    for service in services:
        if service.spec.clusterIP in ("", "None"):
            continue
        metadata = service.metadata
        if metadata.namespace == "default" and metadata.name == "kubernetes":
            chosen.setdefault("kubernetes", service)
        elif links and metadata.namespace == pod.metadata.namespace:
            chosen[metadata.name] = service
    return [chosen[name] for name in sorted(chosen)]


def service_variables(services: Iterable[core.Service]) -> dict[str, str]:
    """NAME_SERVICE_HOST, NAME_SERVICE_PORT and the variables docker's links once gave."""
    result: dict[str, str] = {}
    for service in services:
        prefix = service.metadata.name.upper().replace("-", "_")
        address = service.spec.clusterIP
        ports = service.spec.ports
        result[f"{prefix}_SERVICE_HOST"] = address
        if not ports:
            continue
        result[f"{prefix}_SERVICE_PORT"] = str(ports[0].port)
        for port in ports:
            if port.name:
                result[f"{prefix}_SERVICE_PORT_{port.name.upper().replace('-', '_')}"] = str(port.port)
        host = f"[{address}]" if ":" in address else address
        for index, port in enumerate(ports):
            protocol = (port.protocol or "TCP").upper()
            url = f"{protocol.lower()}://{host}:{port.port}"
            if index == 0:
                result[f"{prefix}_PORT"] = url
            stem = f"{prefix}_PORT_{port.port}_{protocol}"
            result[stem] = url
            result[f"{stem}_PROTO"] = protocol.lower()
            result[f"{stem}_PORT"] = str(port.port)
            result[f"{stem}_ADDR"] = address
    return result
