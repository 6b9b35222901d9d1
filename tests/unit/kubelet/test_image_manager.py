import base64
import json
import pathlib
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from pybernetes.aio import clock as clocks
from pybernetes.api.types import core
from pybernetes.kubelet import image_manager, pulled_images, recording, start_errors
from pybernetes.kubelet.cri import runtime, simulated

MakePod = Callable[..., core.Pod]


def pull_secret(**auths: dict[str, str]) -> core.Secret:
    content = {"auths": {address.replace("_", "/"): entry for address, entry in auths.items()}}
    encoded = base64.b64encode(json.dumps(content).encode()).decode()
    return msgspec.convert({"metadata": {"name": "s"}, "data": {".dockerconfigjson": encoded}}, core.Secret)


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ("busybox", "busybox:latest"),
        ("busybox:1", "busybox:1"),
        ("localhost:5000/a/b", "localhost:5000/a/b:latest"),
        ("a/b@sha256:" + "0" * 64, "a/b@sha256:" + "0" * 64),
        ("UPPER", None),
        ("a b", None),
        ("", None),
    ],
)
def test_names(image: str, expected: str | None) -> None:
    assert image_manager.with_default_tag(image) == expected


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ("busybox", ("index.docker.io", "library/busybox")),
        ("me/app:1", ("index.docker.io", "me/app")),
        ("localhost:5000/app:1", ("localhost:5000", "app")),
        ("registry.example/a/b@sha256:00", ("registry.example", "a/b")),
    ],
)
def test_where_images_live(image: str, expected: tuple[str, str]) -> None:
    assert image_manager.registry_and_path(image) == expected


def test_the_most_specific_credentials_come_first() -> None:
    plain = {"username": "u1", "password": "p1"}
    packed = {"auth": base64.b64encode(b"u2:p2").decode()}
    secret = pull_secret(**{"r.example": plain, "https://r.example/team": packed, "other.example": plain})
    found = image_manager.matching_credentials("r.example/team/app:1", [secret])
    assert [(one.auth.username, one.auth.password) for one in found] == [("u2", "p2"), ("u1", "p1")]
    assert [one.auth.username for one in image_manager.matching_credentials("r.example/app", [secret])] == ["u1"]
    assert image_manager.matching_credentials("x.r.example/app", [secret]) == []
    wild = pull_secret(**{"*.r.example": plain})
    assert len(image_manager.matching_credentials("x.r.example/app", [wild])) == 1


class World:
    """An image manager over a fake runtime, and what it said."""

    def __init__(self, pulled: pulled_images.PulledImages | None = None) -> None:
        self.clock = clocks.VirtualClock()
        self.cri = simulated.FakeRuntime(self.clock)
        self.said: list[str] = []
        self.images = image_manager.ImageManager(self.cri, self.clock, recording.Events(self, "n1"), pulled)

    def event(self, obj: core.ObjectReference, type: str, reason: str, message: str) -> None:
        self.said.append(f"{reason}: {message}")

    async def ensure(self, pod: core.Pod, *secrets: core.Secret) -> str:
        try:
            await self.images.ensure(pod, pod.spec.containers[0], secrets, {})
        except start_errors.StartError as failure:
            return f"{failure.reason}: {failure.message}"
        return ""


def pod_of(make_pod: MakePod, policy: str, image: str = "img") -> core.Pod:
    return make_pod(containers=[{"name": "c", "image": image, "imagePullPolicy": policy}])


async def test_policies(make_pod: MakePod) -> None:
    world = World()
    never = 'Container image "img" is not present with pull policy of Never'
    assert await world.ensure(pod_of(make_pod, "Never")) == f"ErrImageNeverPull: {never}"
    assert await world.ensure(pod_of(make_pod, "IfNotPresent")) == ""
    assert await world.ensure(pod_of(make_pod, "IfNotPresent")) == ""
    assert await world.ensure(pod_of(make_pod, "Always")) == ""
    pulled = 'Pulled: Successfully pulled image "img" in 0s (0s including waiting). Image size: 1 bytes.'
    assert world.said == [
        f"ErrImageNeverPull: {never}",
        'Pulling: Pulling image "img"',
        pulled,
        'Pulled: Container image "img" already present on machine and can be accessed by the pod',
        'Pulling: Pulling image "img"',
        pulled,
    ]


async def test_an_image_is_for_whom_could_pull_it(make_pod: MakePod, tmp_path: pathlib.Path) -> None:
    """Seed K3: what was pulled with a secret is not for pods that have none."""
    image, file = "r.example/private:1", tmp_path / "pulled.json"
    secret = pull_secret(**{"r.example": {"username": "u", "password": "p"}})
    other = pull_secret(**{"r.example": {"username": "u", "password": "wrong"}})
    other = msgspec.structs.replace(other, metadata=msgspec.structs.replace(other.metadata, name="t"))
    pod = pod_of(make_pod, "IfNotPresent", image)
    world = World(pulled_images.PulledImages(file))
    assert await world.ensure(pod, secret) == ""
    world.images = image_manager.ImageManager(
        world.cri, world.clock, recording.Events(world, "n1"), pulled_images.PulledImages(file)
    )
    world.cri.unpullable.add(image)
    assert (await world.ensure(pod)).startswith("ErrImagePull")
    assert (await world.ensure(pod_of(make_pod, "Never", image))).startswith("ErrImageNeverPull")
    assert (await world.ensure(pod, other)).startswith("ImagePullBackOff")
    assert await world.ensure(pod, secret) == ""


def test_records_of_pulls(tmp_path: pathlib.Path) -> None:
    file = tmp_path / "pulled.json"
    images = pulled_images.PulledImages(file)
    assert images.may_use("a:1", "id-0", ())  # preloaded
    images.begin("a:1")
    assert not pulled_images.PulledImages(file).may_use("a:1", "id-1", ())  # died on the way
    images.end("a:1", "id-1")
    assert pulled_images.PulledImages(file).may_use("a:2", "id-1", ())
    assert not images.may_use("b:1", "id-1", ())
    images.keep(())
    images.keep(())
    assert pulled_images.PulledImages(file).may_use("b:1", "id-1", ())


async def test_back_off(make_pod: MakePod) -> None:
    world = World()
    world.cri.unpullable.add("img:latest")
    pod = pod_of(make_pod, "IfNotPresent")
    reasons: list[Any] = []
    for _ in range(45):
        reasons.append((await world.ensure(pod)).partition(":")[0])
        await world.clock.advance(1)
    tried = [second for second, reason in enumerate(reasons) if reason == "ErrImagePull"]
    assert tried == [0, 10, 30]
    assert set(reasons) == {"ErrImagePull", "ImagePullBackOff"}
    backing_off = await world.ensure(pod)
    assert backing_off.startswith(
        'ImagePullBackOff: Back-off pulling image "img": ErrImagePull: rpc error: code = NotFound'
    )


async def test_what_is_no_image_name(make_pod: MakePod) -> None:
    world = World()
    answer = await world.ensure(pod_of(make_pod, "Always", "NO"))
    assert answer.startswith('InvalidImageName: Failed to apply default image tag "NO": couldn\'t parse image name')


async def test_a_runtime_that_fails_to_look(make_pod: MakePod) -> None:
    class Broken(simulated.FakeRuntime):
        async def image_status(self, image: str) -> runtime.Image | None:
            raise runtime.CriError("broken")

    world = World()
    world.images = image_manager.ImageManager(Broken(world.clock), world.clock, recording.Events(world, "n1"))
    assert (await world.ensure(pod_of(make_pod, "Never"))).startswith("ImageInspectError: ")
