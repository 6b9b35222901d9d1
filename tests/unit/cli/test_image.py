"""`pybernetes image build`: what goes into an archive."""

import io
import json
import pathlib
import tarfile

import pytest

from pybernetes.cli import main


def read(path: pathlib.Path) -> tuple[dict, list[tarfile.TarInfo]]:
    """The image's config and the entries of its last layer."""
    with tarfile.open(path) as tar:
        files = {one.name: tar.extractfile(one).read() for one in tar if one.isfile()}  # type: ignore[union-attr]

    def blob(digest: str) -> bytes:
        return files["blobs/sha256/" + digest.removeprefix("sha256:")]

    (descriptor,) = json.loads(files["index.json"])["manifests"]
    manifest = json.loads(blob(descriptor["digest"]))
    with tarfile.open(fileobj=io.BytesIO(blob(manifest["layers"][-1]["digest"]))) as layer:
        entries = layer.getmembers()
    config = json.loads(blob(manifest["config"]["digest"]))
    return {"name": descriptor["annotations"]["io.containerd.image.name"], **config["config"]}, entries


def test_from_files(tmp_path: pathlib.Path) -> None:
    site = tmp_path / "site"
    (site / "sub").mkdir(parents=True)
    (site / "index.html").write_text("hello")
    (site / "sub" / "link").symlink_to("../index.html")
    app = tmp_path / "app"
    app.write_bytes(b"\x7fELF")
    app.chmod(0o755)
    out = tmp_path / "out.tar"
    arguments = [
        "-t",
        "localhost/x:1",
        "--file",
        f"{site}=/www",
        "--file",
        f"{app}=/bin/",
        "--env",
        "A=B",
        "-o",
        str(out),
    ]
    assert main.main(["image", "build", *arguments, "--user", "1000", "--cmd", "/bin/app", "--port", "80"]) == 0
    config, entries = read(out)
    assert config == {
        "name": "localhost/x:1",
        "Env": ["A=B"],
        "WorkingDir": "/",
        "User": "1000",
        "Cmd": ["/bin/app", "--port", "80"],
    }
    assert [entry.name for entry in entries] == ["bin", "bin/app", "www", "www/index.html", "www/sub", "www/sub/link"]
    assert next(entry for entry in entries if entry.name == "bin/app").mode == 0o755
    assert next(entry for entry in entries if entry.issym()).linkname == "../index.html"


def test_presets(tmp_path: pathlib.Path) -> None:
    out = tmp_path / "pause.tar"
    assert main.main(["image", "build", "pause", "-o", str(out)]) == 0
    config, entries = read(out)
    assert config["Entrypoint"] == ["/pause"]
    assert [entry.name for entry in entries] == ["pause"]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["build", "-t", "x", "--file", "/etc/passwd=/p"], "name a file with --output"),
        (["build", "-o", "x.tar"], "name the image with --tag"),
        (["build", "-o", "x.tar", "-t", "x"], "--file SRC=DST"),
        (["build", "-o", "x.tar", "-t", "x", "--file", "/etc/passwd"], "write SRC=DST with an absolute DST"),
        (["build", "-o", "x.tar", "-t", "x", "--file", "/nonexistent=/p"], "/nonexistent does not exist"),
        (["build", "pause", "-o", "x.tar", "--cmd", "x"], "--file and --cmd are for other images"),
        (["load", "/nonexistent"], "no such file: /nonexistent"),
        (["list", "--data-dir", "/nonexistent"], "no cluster in /nonexistent"),
    ],
)
def test_refusals(arguments: list[str], text: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["image", *arguments]) == 1
    assert text in capsys.readouterr().err
