"""What a disk does to a cluster: full, read-only, damaged. A clear error, nothing acknowledged lost, a way back."""

import contextlib
import pathlib
import subprocess
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from tests.crash import place

from pybernetes.apimachinery import errors
from pybernetes.client import rest

pytestmark = pytest.mark.slow

PAGE = 4096
SIZE = 60_000


class Disk:
    """A small file system of its own."""

    def __init__(self, path: pathlib.Path) -> None:
        self.path = path

    def mount(self, options: str) -> None:
        """Mount it, or change how it is mounted."""
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(self.path)],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            pytest.skip(f"needs a small file system: {done.stderr.strip()}")


@pytest.fixture
def disk(tmp_path: pathlib.Path) -> Iterator[Disk]:
    found = Disk(tmp_path / "disk")
    found.path.mkdir()
    found.mount("size=12m")
    yield found
    subprocess.run(["umount", str(found.path)], check=True)


@contextlib.asynccontextmanager
async def cluster(folder: pathlib.Path) -> AsyncIterator[place.Up]:
    where = place.Up(folder, "crash-disk", 0)
    try:
        await where.resume()
        yield where
    finally:
        where.kill(place.ALL)
        await where.stop()


@contextlib.asynccontextmanager
async def connected(where: place.Up) -> AsyncIterator[rest.Client]:
    client = place.client(where)
    try:
        yield client
    finally:
        await client.close()


async def write(where: place.Up, names: Iterator[str]) -> dict[str, str]:
    """ConfigMaps until one is refused or there are no more names: the versions of those acknowledged."""
    done: dict[str, str] = {}
    async with connected(where) as client:
        maps = client.dynamic("v1", "ConfigMap")
        for name in names:
            body: dict[str, Any] = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}}
            try:
                made = await maps.create({**body, "data": {"filler": "x" * SIZE}}, "default")
            except errors.InternalError as refused:
                if not str(refused).endswith("storage store.db: the disk is full"):
                    raise
                break
            done[name] = made["metadata"]["resourceVersion"]
    return done


async def versions(where: place.Up) -> dict[str, str]:
    """What is there."""
    async with connected(where) as client:
        page = await client.dynamic("v1", "ConfigMap").list("default")
        return {
            one["metadata"]["name"]: one["metadata"]["resourceVersion"]
            for one in page.items
            if one["metadata"]["name"] != "kube-root-ca.crt"
        }


async def test_a_full_disk(disk: Disk) -> None:
    async with cluster(disk.path) as where:
        written = await write(where, (f"map-{number}" for number in range(1000)))
        assert 20 < len(written) < 1000
        assert await versions(where) == written
        where.kill(place.ALL)
        with contextlib.suppress(OSError), (disk.path / "ballast").open("wb", buffering=0) as ballast:
            while ballast.write(bytes(PAGE)):
                pass
        said = await where.up()
        assert "No space left on device" in said
        assert "Traceback" not in said
        (disk.path / "ballast").unlink()
        disk.mount("remount,size=32m")
        await where.resume()
        assert await versions(where) == written
        written |= await write(where, iter(["late"]))
        assert await versions(where) == written
        assert "late" in written
        assert await where.check() == ""


async def test_a_read_only_disk(disk: Disk) -> None:
    async with cluster(disk.path) as where:
        written = await write(where, (f"map-{number}" for number in range(5)))
        where.kill(place.ALL)
        disk.mount("remount,ro")
        said = await where.up()
        assert "Read-only file system" in said
        assert "Traceback" not in said
        disk.mount("remount,rw")
        await where.resume()
        assert await versions(where) == written


async def test_a_damaged_page(tmp_path: pathlib.Path) -> None:
    async with cluster(tmp_path) as where:
        written = await write(where, (f"map-{number}" for number in range(60)))
        backup = tmp_path / "backup"
        assert await where.run("storage backup", str(backup)) == ""
        assert await where.run("down") == ""
        with where.database.open("r+b") as file:
            file.seek(where.database.stat().st_size // 2 // PAGE * PAGE)
            file.write(bytes(PAGE))
        for said in (await where.up(), await where.check()):
            assert "damaged" in said
            assert "restore a backup" in said
            assert "Traceback" not in said
        assert await where.run("down", "--delete") == ""
        assert await where.run("storage restore", str(backup)) == ""
        await where.resume()
        assert await versions(where) == written
        assert await where.check() == ""
