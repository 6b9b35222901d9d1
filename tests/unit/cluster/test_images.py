import hashlib
import io
import json
import pathlib
import platform
import struct
import subprocess
import tarfile

import pytest

from pybernetes.cluster import images


def read(archive: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        return {one.name: tar.extractfile(one).read() for one in tar if one.isfile()}  # type: ignore[union-attr]


def test_archives_follow_the_layout() -> None:
    image = images.Image(
        "localhost/x:1", [[images.File("bin/a", b"a"), images.File("b", link="bin/a")]], {"Cmd": ["/b"]}
    )
    files = read(images.archive([image]))
    assert json.loads(files["oci-layout"]) == {"imageLayoutVersion": "1.0.0"}
    (entry,) = json.loads(files["index.json"])["manifests"]
    assert entry["annotations"]["io.containerd.image.name"] == "localhost/x:1"
    for name, data in files.items():
        if name.startswith("blobs/sha256/"):
            assert name.rpartition("/")[2] == hashlib.sha256(data).hexdigest()
    manifest = json.loads(files[f"blobs/sha256/{entry['digest'].partition(':')[2]}"])
    config = json.loads(files[f"blobs/sha256/{manifest['config']['digest'].partition(':')[2]}"])
    assert config["config"] == {"Cmd": ["/b"]}
    assert config["rootfs"]["diff_ids"] == [one["digest"] for one in manifest["layers"]]


def test_the_same_input_gives_the_same_archive() -> None:
    assert images.archive([images.pause_image()]) == images.archive([images.pause_image()])


@pytest.mark.parametrize(("arch", "machine", "words"), [("amd64", 62, ()), ("arm64", 183, (0xD28010C8, 0xD2800220))])
def test_pause_is_an_executable(arch: str, machine: int, words: tuple[int, ...]) -> None:
    program = images.pause_program(arch)
    assert program[:5] == b"\x7fELF\x02"
    kind, found, _, entry = struct.unpack_from("<HHIQ", program, 16)
    offset, base = struct.unpack_from("<QQ", program, 64 + 8)
    size = struct.unpack_from("<Q", program, 64 + 32)[0]
    assert (kind, found, offset, size) == (2, machine, 0, len(program))
    assert entry == base + 120
    assert struct.unpack_from(f"<{len(words)}I", program, 120) == words
    assert program.endswith(struct.pack("<QQQQ", 1, 0, 0, 0))


def test_arm_code_points_where_it_should() -> None:
    code = struct.unpack("<14I", images.pause_program("arm64")[120 : 120 + 56])
    address = code[2]
    distance = (address >> 5 & 0x7FFFF) << 2 | address >> 29 & 3
    assert distance == 56 - 8  # from the third instruction to the data behind the code
    assert code[5] == code[12] == 0xD4000001  # svc
    assert (code[13] - (1 << 26) & 0x3FFFFFF) == (6 - 13) & 0x3FFFFFF  # back to the loop


@pytest.mark.skipif(platform.machine() != "x86_64", reason="runs machine code")
def test_pause_sleeps_and_reaps(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "pause"
    path.write_bytes(images.pause_program("amd64"))
    path.chmod(0o755)
    with subprocess.Popen([str(path)]) as process:
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.1)
        ignored = int(pathlib.Path(f"/proc/{process.pid}/status").read_text().split("SigIgn:")[1].split()[0], 16)
        assert ignored & 1 << 16  # SIGCHLD
        process.kill()


def test_an_unknown_machine_has_no_pause() -> None:
    with pytest.raises(images.ImageBuildError):
        images.pause_program("riscv64")
