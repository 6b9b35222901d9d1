"""Which files a ConfigMap, Secret, downward API or projected volume has.

Upstream: pkg/volume/{configmap,secret,downwardapi,projected}. Pure.
"""

import base64
import dataclasses
from collections.abc import Iterable, Mapping, Sequence

from pybernetes.api.types import certificates, core, selectors
from pybernetes.crypto import pem
from pybernetes.kubelet import environment, resources, runtime_status
from pybernetes.kubelet.volumes.atomic_writer import Payload, Projected

_DEFAULT_MODE = 0o644


class ContentError(ValueError):
    """Something the volume needs is not there; the text goes into an event."""


@dataclasses.dataclass(frozen=True, slots=True)
class Found:
    """What the sources of a volume refer to, by name; tokens by audience and lifetime."""

    config_maps: Mapping[str, core.ConfigMap] = dataclasses.field(default_factory=dict)
    secrets: Mapping[str, core.Secret] = dataclasses.field(default_factory=dict)
    tokens: Mapping[core.ServiceAccountTokenProjection, str] = dataclasses.field(default_factory=dict)
    bundles: Sequence[certificates.ClusterTrustBundle] = ()
    certificates: Mapping[int, tuple[bytes, bytes]] = dataclasses.field(default_factory=dict)
    """Key and certificates by the index of their source."""
    sources: environment.Sources = dataclasses.field(default_factory=environment.Sources)


@dataclasses.dataclass(frozen=True, slots=True)
class Needed:
    """What must be fetched before the files of a volume can be made."""

    config_maps: frozenset[str] = frozenset()
    secrets: frozenset[str] = frozenset()
    tokens: tuple[core.ServiceAccountTokenProjection, ...] = ()
    bundles: bool = False
    certificates: tuple[int, ...] = ()


def needed(volume: core.Volume) -> Needed:
    """The objects and tokens a volume is made of."""
    if volume.configMap is not None:
        return Needed(config_maps=frozenset((volume.configMap.name,)))
    if volume.secret is not None:
        return Needed(secrets=frozenset((volume.secret.secretName,)))
    if volume.projected is None:
        return Needed()
    sources = volume.projected.sources
    return Needed(
        frozenset(one.configMap.name for one in sources if one.configMap is not None),
        frozenset(one.secret.name for one in sources if one.secret is not None),
        tuple(one.serviceAccountToken for one in sources if one.serviceAccountToken is not None),
        any(one.clusterTrustBundle is not None for one in sources),
        tuple(index for index, one in enumerate(sources) if one.podCertificate is not None),
    )


def is_made_of_files(volume: core.Volume) -> bool:
    """Whether the volume's content comes from the API."""
    return any(one is not None for one in (volume.configMap, volume.secret, volume.downwardAPI, volume.projected))


def payload(pod: core.Pod, volume: core.Volume, found: Found) -> Payload:
    """The files of a volume."""
    if volume.configMap is not None:
        source = volume.configMap
        return _config_map(pod, source.name, source.items, source.optional, _mode(source.defaultMode), found)
    if volume.secret is not None:
        secret = volume.secret
        return _secret(pod, secret.secretName, secret.items, secret.optional, _mode(secret.defaultMode), found)
    if volume.downwardAPI is not None:
        return _downward(pod, volume.downwardAPI.items, _mode(volume.downwardAPI.defaultMode), found)
    if volume.projected is not None:
        return _projected(pod, volume.projected, found)
    raise ContentError(f"volume {volume.name} has no files of its own")


def _mode(mode: int | None) -> int:
    return _DEFAULT_MODE if mode is None else mode


def _config_map(
    pod: core.Pod, name: str, items: Iterable[core.KeyToPath], optional: bool | None, mode: int, found: Found
) -> dict[str, Projected]:
    obj = found.config_maps.get(name)
    if obj is None:
        if optional:
            return {}
        raise ContentError(f'configmap "{name}" not found')
    data = {key: text.encode() for key, text in obj.data.items()}
    data |= {key: base64.b64decode(text) for key, text in obj.binaryData.items()}
    return _select(data, items, bool(optional), mode, "configmap references non-existent config key: {key}")


def _secret(
    pod: core.Pod, name: str, items: Iterable[core.KeyToPath], optional: bool | None, mode: int, found: Found
) -> dict[str, Projected]:
    obj = found.secrets.get(name)
    if obj is None:
        if optional:
            return {}
        raise ContentError(f'secret "{name}" not found')
    data = {key: base64.b64decode(text) for key, text in obj.data.items()}
    return _select(data, items, bool(optional), mode, "references non-existent secret key: {key}")


def _select(
    data: Mapping[str, bytes], items: Iterable[core.KeyToPath], optional: bool, mode: int, missing: str
) -> dict[str, Projected]:
    chosen = tuple(items)
    if not chosen:
        return {key: Projected(value, mode) for key, value in data.items()}
    result = {}
    for item in chosen:
        if item.key not in data:
            if optional:
                continue
            raise ContentError(missing.format(key=item.key))
        result[item.path] = Projected(data[item.key], mode if item.mode is None else item.mode, item.user)
    return result


def _downward(
    pod: core.Pod, items: Iterable[core.DownwardAPIVolumeFile], mode: int, found: Found
) -> dict[str, Projected]:
    result = {}
    for item in items:
        if item.fieldRef is not None:
            text = environment.field_value(item.fieldRef.fieldPath, pod, found.sources)
        elif item.resourceFieldRef is not None:
            container = runtime_status.find_container(pod.spec, item.resourceFieldRef.containerName)
            if container is None:
                raise ContentError(f"container {item.resourceFieldRef.containerName} not found")
            text = resources.field_value(item.resourceFieldRef, container, found.sources.allocatable)
        else:
            continue
        result[item.path] = Projected(text.encode(), mode if item.mode is None else item.mode, item.user)
    return result


def _projected(pod: core.Pod, volume: core.ProjectedVolumeSource, found: Found) -> dict[str, Projected]:
    mode = _mode(volume.defaultMode)
    security = pod.spec.securityContext
    common = common_user(pod) if volume.defaultUser is None else volume.defaultUser
    group = security is not None and security.fsGroup is not None

    def private(data: bytes, own: int | None) -> Projected:
        """Only its user may read it; without a known user everybody in the pod may."""
        user = common if own is None else own
        return Projected(data, 0o600 if group or user is not None else mode, user)

    result: dict[str, Projected] = {}
    for index, source in enumerate(volume.sources):
        if source.configMap is not None:
            one = source.configMap
            result |= _config_map(pod, one.name, one.items, one.optional, mode, found)
        elif source.secret is not None:
            secret = source.secret
            result |= _secret(pod, secret.name, secret.items, secret.optional, mode, found)
        elif source.downwardAPI is not None:
            result |= _downward(pod, source.downwardAPI.items, mode, found)
        elif source.serviceAccountToken is not None:
            token = source.serviceAccountToken
            if token not in found.tokens:
                raise ContentError("no service account token")
            result[token.path] = private(found.tokens[token].encode(), token.user)
        elif source.clusterTrustBundle is not None:
            bundle = source.clusterTrustBundle
            result[bundle.path] = private(_trust_anchors(bundle, found.bundles), bundle.user)
        elif source.podCertificate is not None:
            certificate, (key, chain) = source.podCertificate, found.certificates[index]
            for path, data in (
                (certificate.credentialBundlePath, key + chain),
                (certificate.keyPath, key),
                (certificate.certificateChainPath, chain),
            ):
                if path:
                    result[path] = private(data, certificate.user)
        else:
            raise ContentError("no volume plugin matched")
    return result


def _trust_anchors(
    projection: core.ClusterTrustBundleProjection, bundles: Sequence[certificates.ClusterTrustBundle]
) -> bytes:
    """The certificates of the bundles that are meant, each once, in one order."""
    if projection.name is not None:
        chosen = [one for one in bundles if one.metadata.name == projection.name]
        name = f'clustertrustbundle.certificates.k8s.io "{projection.name}"'
        missing = f"while getting ClusterTrustBundle: {name} not found"
    else:
        selector = selectors.of(projection.labelSelector)
        of_signer = (one for one in bundles if one.spec.signerName == projection.signerName)
        chosen = [one for one in of_signer if selector.matches(one.metadata.labels)]
        missing = "combination of signerName and labelSelector matched zero ClusterTrustBundles"
    if not chosen and not projection.optional:
        raise ContentError(missing)
    anchors = {block.content for one in chosen for block in pem.blocks(one.spec.trustBundle.encode())}
    return b"".join(pem.encode("CERTIFICATE", one) for one in sorted(anchors))


def common_user(pod: core.Pod) -> int | None:
    """The user all containers run as, if it is one and the same."""
    shared = pod.spec.securityContext.runAsUser if pod.spec.securityContext is not None else None
    users = set()
    for container in runtime_status.all_containers(pod.spec):
        own = container.securityContext.runAsUser if container.securityContext is not None else None
        users.add(own if own is not None else shared)
    return users.pop() if len(users) == 1 else None
