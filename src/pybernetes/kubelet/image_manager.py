"""Images at hand before a container starts: pull policies, credentials, back-off.

Upstream: pkg/kubelet/images/image_manager.go, pkg/credentialprovider/keyring.go.
"""

import base64
import binascii
import fnmatch
import json
import re
from collections.abc import Iterable, Sequence
from typing import Any

from pybernetes.aio import clock as clocks
from pybernetes.api.types import core
from pybernetes.apimachinery import timestamps
from pybernetes.kubelet import keyed_backoff, pulled_images, recording, runtime_status, start_errors
from pybernetes.kubelet.cri import runtime

_NAME = re.compile(
    r"(?:(?:[a-zA-Z0-9](?:[a-zA-Z0-9.-]*[a-zA-Z0-9])?(?::[0-9]+)?)/)?"
    r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*"
    r"(?P<tag>:[\w][\w.-]{0,127})?(?P<digest>@[A-Za-z][A-Za-z0-9]*:[0-9a-fA-F]{32,})?"
)
_DEFAULT_REGISTRY = "index.docker.io"


class ImageManager:
    """`ensure` answers with the reference of an image that is there, or raises a `StartError`."""

    def __init__(
        self,
        cri: runtime.Runtime,
        clock: clocks.Clock,
        events: recording.Events,
        pulled: pulled_images.PulledImages | None = None,
    ) -> None:
        self._cri = cri
        self._clock = clock
        self._events = events
        self.pulled = pulled or pulled_images.PulledImages()
        self._backoff = keyed_backoff.KeyedBackoff(clock)
        self._failures: dict[str, tuple[float, str]] = {}
        """by pod and image: when the last pull failed, and how"""

    async def ensure(
        self,
        pod: core.Pod,
        container: runtime_status.AnyContainer,
        secrets: Sequence[core.Secret],
        sandbox_config: runtime.Message,
    ) -> runtime.Image:
        """The image of a container, pulled first if its policy says so."""
        requested = container.image
        image = with_default_tag(requested)
        if image is None:
            message = f'Failed to apply default image tag "{requested}": couldn\'t parse image name "{requested}": '
            message += "invalid reference format"
            self._events.container(pod, container, recording.WARNING, recording.INSPECT_FAILED, message)
            raise start_errors.StartError(start_errors.INVALID_IMAGE_NAME, message)
        policy = container.imagePullPolicy or "IfNotPresent"
        if policy != "Always":
            present = await self._inspect(pod, container, image)
            if present is not None and self.pulled.may_use(image, present.id, matching_credentials(image, secrets)):
                message = f'Container image "{requested}" already present on machine and can be accessed by the pod'
                self._events.container(pod, container, recording.NORMAL, recording.PULLED, message)
                return present
            if policy == "Never":
                message = f'Container image "{requested}" is not present with pull policy of Never'
                self._events.container(pod, container, recording.WARNING, recording.NEVER_PULL, message)
                raise start_errors.StartError(start_errors.IMAGE_NEVER_PULL, message)
        return await self._pull(pod, container, image, secrets, sandbox_config)

    async def _inspect(self, pod: core.Pod, container: runtime_status.AnyContainer, image: str) -> runtime.Image | None:
        try:
            return await self._cri.image_status(image)
        except runtime.CriError as failure:
            message = f'Failed to inspect image "": {failure}'
            self._events.container(pod, container, recording.WARNING, recording.INSPECT_FAILED, message)
            raise start_errors.StartError(start_errors.IMAGE_INSPECT, message) from failure

    async def _pull(
        self,
        pod: core.Pod,
        container: runtime_status.AnyContainer,
        image: str,
        secrets: Sequence[core.Secret],
        sandbox_config: runtime.Message,
    ) -> runtime.Image:
        requested = container.image
        key = f"{pod.metadata.uid}_{requested}"
        failed_at, last_failure = self._failures.get(key, (0.0, ""))
        wait = self._backoff.remaining(key, failed_at)
        if wait > 0:
            message = f'Back-off pulling image "{requested}"'
            self._events.container(pod, container, recording.NORMAL, recording.BACK_OFF, message)
            if last_failure:
                message = f"{message}: {last_failure}"
            raise start_errors.StartError(start_errors.IMAGE_PULL_BACK_OFF, message, wait)
        self._events.container(pod, container, recording.NORMAL, recording.PULLING, f'Pulling image "{requested}"')
        begin = self._clock.monotonic()
        try:
            status = await self._pull_with_credentials(image, secrets, sandbox_config)
        except runtime.CriError as failure:
            message = f'Failed to pull image "{requested}": {failure}'
            self._events.container(pod, container, recording.WARNING, recording.FAILED, message)
            now = self._clock.now().timestamp()
            self._backoff.next(key, now)
            self._failures[key] = (now, f"{start_errors.IMAGE_PULL}: {failure}")
            raise start_errors.StartError(start_errors.IMAGE_PULL, str(failure), self._backoff.delay(key)) from failure
        self._failures.pop(key, None)
        took = timestamps.format_duration(int((self._clock.monotonic() - begin) * 1000) * 1_000_000)
        message = f'Successfully pulled image "{requested}" in {took} ({took} including waiting). '
        message += f"Image size: {status.size} bytes."
        self._events.container(pod, container, recording.NORMAL, recording.PULLED, message)
        return status

    async def _pull_with_credentials(
        self, image: str, secrets: Sequence[core.Secret], sandbox_config: runtime.Message
    ) -> runtime.Image:
        """Try each matching credential; the last failure counts."""
        failure: runtime.CriError | None = None
        candidates: list[pulled_images.Credential | None] = [*matching_credentials(image, secrets)] or [None]
        used = None
        brought = ""
        self.pulled.begin(image)
        try:
            for used in candidates:
                try:
                    auth = used.auth if used is not None else None
                    reference = await self._cri.pull_image(image, auth, sandbox_config)
                    status = await self._cri.image_status(reference) or runtime.Image(id=reference)
                    brought = status.id
                    return status
                except runtime.CriError as error:
                    failure = error
        finally:
            self.pulled.end(image, brought, used)
        assert failure is not None
        raise failure

    def forget(self, uid: str) -> None:
        """The pod is gone."""
        self._backoff.forget(uid)
        for key in [key for key in self._failures if key.startswith(uid)]:
            del self._failures[key]


def with_default_tag(image: str) -> str | None:
    """The name with `:latest` where it names neither tag nor digest; None when it is no image name."""
    match = _NAME.fullmatch(image)
    if match is None:
        return None
    return image if match["tag"] or match["digest"] else f"{image}:latest"


def registry_and_path(image: str) -> tuple[str, str]:
    """Where an image lives: registry host and the repository's path."""
    name = image.partition("@")[0]
    head, slash, rest = name.partition("/")
    if not slash or ("." not in head and ":" not in head and head != "localhost"):
        head, rest = _DEFAULT_REGISTRY, name if slash else f"library/{name}"
    repository, colon, _ = rest.rpartition(":")
    return head, repository if colon else rest


def matching_credentials(image: str, secrets: Iterable[core.Secret]) -> list[pulled_images.Credential]:
    """Credentials of pull secrets that fit the image, the most specific first."""
    host, path = registry_and_path(image)
    found: list[tuple[int, pulled_images.Credential]] = []
    for secret in secrets:
        for address, entry in _entries(secret):
            pattern_host, _, pattern_path = _strip_scheme(address).partition("/")
            if pattern_path in ("v1/", "v2/", "v1", "v2"):
                pattern_path = ""
            if pattern_host == "docker.io":
                pattern_host = _DEFAULT_REGISTRY
            if _host_matches(host, pattern_host) and path.startswith(pattern_path.rstrip("/")):
                metadata = secret.metadata
                one = pulled_images.Credential(_auth(entry), metadata.uid, metadata.namespace, metadata.name)
                found.append((len(pattern_path), one))
    return [one for _, one in sorted(found, key=lambda one: -one[0])]


def _entries(secret: core.Secret) -> list[tuple[str, dict[str, Any]]]:
    try:
        if ".dockerconfigjson" in secret.data:
            content = json.loads(base64.b64decode(secret.data[".dockerconfigjson"]))
            return list(content.get("auths", {}).items())
        if ".dockercfg" in secret.data:
            return list(json.loads(base64.b64decode(secret.data[".dockercfg"])).items())
    except (ValueError, AttributeError, binascii.Error):
        return []
    return []


def _strip_scheme(address: str) -> str:
    return address.removeprefix("https://").removeprefix("http://")


def _host_matches(host: str, pattern: str) -> bool:
    """Part by part, as `*.example.com` must not match `a.b.example.com`."""
    parts, patterns = host.split("."), pattern.split(".")
    return len(parts) == len(patterns) and all(map(fnmatch.fnmatchcase, parts, patterns))


def _auth(entry: dict[str, Any]) -> runtime.Auth:
    username, password = entry.get("username", ""), entry.get("password", "")
    if not username and entry.get("auth"):
        decoded = base64.b64decode(entry["auth"]).decode("utf-8", "replace")
        username, _, password = decoded.partition(":")
    return runtime.Auth(username, password, entry.get("identitytoken", ""))
