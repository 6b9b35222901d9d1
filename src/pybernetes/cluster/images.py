"""Container images made from local files: an OCI archive writer, the pause image and the demo image.

No registry and no compiler: an image is layers (plain tars), a config, a manifest and an index, every blob named by its
SHA-256, all times zero, so that the same input gives the same archive. The runtime imports the archive
(`kubelet.cri.images.import_archive`).

The pause program is 150 bytes of machine code in an ELF file written here by hand: it ignores SIGCHLD, which makes the
kernel reap what it inherits as process 1 of a pod, and then sleeps for ever.

Upstream: build/pause/linux/pause.c; the OCI image layout specification.
"""

import dataclasses
import hashlib
import io
import json
import os
import pathlib
import platform
import shutil
import struct
import subprocess
import tarfile
from collections.abc import Iterable, Mapping, Sequence

PAUSE_IMAGE = "localhost/pybernetes/pause:1"
DEMO_IMAGE = "localhost/pybernetes/demo:1"
DEMO_PORT = 8080

_MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
_CONFIG_TYPE = "application/vnd.oci.image.config.v1+json"
_LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar"
_INDEX_TYPE = "application/vnd.oci.image.index.v1+json"
_EPOCH = "1970-01-01T00:00:00Z"


class ImageBuildError(Exception):
    """A local file that the image needs is missing."""


@dataclasses.dataclass(frozen=True, slots=True)
class File:
    """One entry of a layer: a file with `data`, a link with `link`, else a directory."""

    path: str
    data: bytes | None = None
    link: str = ""
    mode: int = 0o755
    uid: int = 0
    gid: int = 0


@dataclasses.dataclass(frozen=True, slots=True)
class Image:
    """What goes into an archive: layers as files or whole tars. `config` is the OCI image config's `config` member."""

    name: str
    layers: Sequence[Sequence[File] | bytes]
    config: Mapping[str, object]
    architecture: str = ""


def architecture() -> str:
    """This machine, as OCI calls it."""
    return {"x86_64": "amd64", "aarch64": "arm64", "arm64": "arm64"}.get(platform.machine(), platform.machine())


def layer(files: Iterable[File]) -> bytes:
    """A layer as an uncompressed tar."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for file in files:
            entry = tarfile.TarInfo(file.path.lstrip("/"))
            entry.mode, entry.uid, entry.gid, entry.mtime = file.mode, file.uid, file.gid, 0
            if file.data is not None:
                entry.size = len(file.data)
                tar.addfile(entry, io.BytesIO(file.data))
            else:
                entry.type = tarfile.SYMTYPE if file.link else tarfile.DIRTYPE
                entry.linkname = file.link
                tar.addfile(entry)
    return buffer.getvalue()


def archive(images: Iterable[Image]) -> bytes:
    """An OCI archive holding those images under their names."""
    blobs: dict[str, bytes] = {}
    manifests = []
    for image in images:
        arch = image.architecture or architecture()
        layers = [files if isinstance(files, bytes) else layer(files) for files in image.layers]
        config = {
            "created": _EPOCH,
            "architecture": arch,
            "os": "linux",
            "config": dict(image.config),
            "rootfs": {"type": "layers", "diff_ids": [_digest(data) for data in layers]},
            "history": [{"created": _EPOCH, "created_by": "pybernetes"} for _ in layers],
        }
        manifest = {
            "schemaVersion": 2,
            "mediaType": _MANIFEST_TYPE,
            "config": _blob(blobs, _json(config), _CONFIG_TYPE),
            "layers": [_blob(blobs, data, _LAYER_TYPE) for data in layers],
        }
        descriptor = _blob(blobs, _json(manifest), _MANIFEST_TYPE)
        descriptor["platform"] = {"architecture": arch, "os": "linux"}
        descriptor["annotations"] = {
            "io.containerd.image.name": image.name,
            "org.opencontainers.image.ref.name": image.name.rpartition(":")[2],
        }
        manifests.append(descriptor)
    files = [File("oci-layout", _json({"imageLayoutVersion": "1.0.0"}), mode=0o644)]
    files.append(
        File("index.json", _json({"schemaVersion": 2, "mediaType": _INDEX_TYPE, "manifests": manifests}), mode=0o644)
    )
    files += [File("blobs"), File("blobs/sha256")]
    files += [File(f"blobs/sha256/{digest}", data, mode=0o644) for digest, data in sorted(blobs.items())]
    return layer(files)


def _blob(blobs: dict[str, bytes], data: bytes, media_type: str) -> dict[str, object]:
    digest = _digest(data)
    blobs[digest.partition(":")[2]] = data
    return {"mediaType": media_type, "digest": digest, "size": len(data)}


def _digest(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":"), sort_keys=True).encode()


# -- pause -----------------------------------------------------------------------------------------------------------


def pause_image(name: str = PAUSE_IMAGE, arch: str = "") -> Image:
    """The image every sandbox runs."""
    arch = arch or architecture()
    files = [File("pause", pause_program(arch), mode=0o755)]
    return Image(name, [files], {"Entrypoint": ["/pause"], "User": "65535:65535", "WorkingDir": "/"}, arch)


def pause_program(arch: str) -> bytes:
    """A static ELF executable that sleeps for ever and lets the kernel reap its children."""
    if arch == "amd64":
        return _elf(62, _pause_amd64())
    if arch == "arm64":
        return _elf(183, _pause_arm64())
    raise ImageBuildError(f"no pause program for {arch}")


# struct sigaction of the kernel: handler SIG_IGN (1), flags, restorer, mask; SIGCHLD is 17 on both machines.
_IGNORE = struct.pack("<QQQQ", 1, 0, 0, 0)
_SIGCHLD = 17


def _pause_amd64() -> bytes:
    before = b"\xb8" + struct.pack("<I", 13)  # mov eax, rt_sigaction
    before += b"\xbf" + struct.pack("<I", _SIGCHLD)  # mov edi, SIGCHLD
    after = b"\x31\xd2"  # xor edx, edx
    after += b"\x41\xba" + struct.pack("<I", 8)  # mov r10d, 8
    after += b"\x0f\x05"  # syscall
    after += b"\xb8" + struct.pack("<I", 34)  # loop: mov eax, pause
    after += b"\x0f\x05"  # syscall
    after += b"\xeb\xf7"  # jmp loop
    return before + b"\x48\x8d\x35" + struct.pack("<i", len(after)) + after + _IGNORE  # lea rsi, [rip + IGNORE]


def _pause_arm64() -> bytes:
    def mov(register: int, value: int) -> int:
        return 0xD2800000 | value << 5 | register

    service_call = 0xD4000001
    code = [mov(8, 134), mov(0, _SIGCHLD), 0, mov(2, 0), mov(3, 8), service_call]  # rt_sigaction
    loop = len(code)
    code += [mov(8, 73), mov(0, 0), mov(1, 0), mov(2, 0), mov(3, 0), mov(4, 0), service_call]  # ppoll(0, 0, 0, 0)
    code.append(0x14000000 | (loop - len(code)) & 0x3FFFFFF)  # b loop
    distance = (len(code) - 2) * 4
    code[2] = 0x10000000 | (distance & 3) << 29 | (distance >> 2) << 5 | 1  # adr x1, IGNORE
    return struct.pack(f"<{len(code)}I", *code) + _IGNORE


def _elf(machine: int, code: bytes) -> bytes:
    """One loadable segment, header included, entered right behind the headers."""
    base, headers = 0x400000, 64 + 56
    header = b"\x7fELF" + bytes([2, 1, 1, 0]) + bytes(8)
    header += struct.pack("<HHIQQQIHHHHHH", 2, machine, 1, base + headers, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    size = headers + len(code)
    program = struct.pack("<IIQQQQQQ", 1, 5, 0, base, base, size, size, 0x10000)
    return header + program + code


# -- demo ------------------------------------------------------------------------------------------------------------

# The shell stays process 1 and passes SIGTERM on: a process 1 without a handler would ignore it.
_SERVE = """#!/bin/sh
trap 'kill $server; exit 0' TERM INT
www=${WWW:-/tmp/www}
mkdir -p "$www"
httpd -f -p "${PORT:-8080}" -h "$www" &
server=$!
hostname > "$www/index.html"
wait $server
"""


def demo_image(name: str = DEMO_IMAGE, busybox: str = "") -> Image:
    """Debian's static busybox with all its commands; by default it serves its pod's name over HTTP on port 8080."""
    path = pathlib.Path(busybox or shutil.which("busybox") or "/bin/busybox")
    if not path.exists():
        raise ImageBuildError(f"{path} is missing: install busybox-static")
    applets = subprocess.run([str(path), "--list"], check=True, capture_output=True, text=True).stdout.split()
    files = [File(directory) for directory in ("bin", "etc", "www", "proc", "sys", "dev", "home", "var", "root")]
    files += [File("tmp", mode=0o1777), File("usr"), File("usr/bin", link="../bin")]
    files.append(File("bin/busybox", path.read_bytes()))
    files += [File(f"bin/{applet}", link="busybox", mode=0o777) for applet in applets if applet != "busybox"]
    accounts = "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/home:/bin/sh\n"
    files.append(File("etc/passwd", accounts.encode(), mode=0o644))
    files.append(File("etc/group", b"root:x:0:\nnogroup:x:65534:\n", mode=0o644))
    files.append(File("bin/serve", _SERVE.encode()))
    config = {
        "Entrypoint": [],
        "Cmd": ["/bin/serve"],
        "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
        "ExposedPorts": {f"{DEMO_PORT}/tcp": {}},
        "WorkingDir": "/",
    }
    return Image(name, [files], config)


def write(path: pathlib.Path, images: Iterable[Image]) -> None:
    """Write an archive; it appears under its name only when it is complete, also when several nodes do so at once."""
    partial = path.with_name(f"{path.name}.{os.getpid()}")
    partial.write_bytes(archive(images))
    partial.rename(path)
