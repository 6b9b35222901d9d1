"""Bringing image archives into the runtime: what the CRI itself has no call for.

Upstream: `ctr images import` (containerd); pkg/kubelet/images.
"""

import asyncio
import pathlib

from pybernetes.kubelet.cri import runtime

NAMESPACE = "k8s.io"


async def import_archive(path: pathlib.Path, address: str, ctr: str = "ctr") -> list[str]:
    """Import an OCI or docker archive into the containerd at `address`; the answer names the images."""
    address = address.removeprefix("unix://").removeprefix("unix:")
    process = await asyncio.create_subprocess_exec(
        *(ctr, "--address", address, "-n", NAMESPACE, "images", "import", str(path)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    stdout, stderr = await process.communicate()
    if process.returncode:
        raise runtime.CriError(f"importing {path}: {stderr.decode(errors='replace').strip()}")
    return [line.split()[1] for line in stdout.decode().splitlines() if line.startswith("unpacking ")]


async def ensure(cri: runtime.Runtime, image: str, archive: pathlib.Path, address: str) -> None:
    """Import `archive` unless the runtime has `image` already."""
    if await cri.image_status(image) is None:
        await import_archive(archive, address)
