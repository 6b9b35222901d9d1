import base64
import os
import pathlib
import re
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from pybernetes.api.types import certificates, core
from pybernetes.crypto import pem
from pybernetes.kubelet.volumes import atomic_writer, content, host_path, mounts
from pybernetes.kubelet.volumes.atomic_writer import Ownership, Projected

MakePod = Callable[..., core.Pod]
PUBLIC = Ownership()


def volume(**source: Any) -> core.Volume:
    return msgspec.convert({"name": "v", **source}, core.Volume)


CONFIG = msgspec.convert(
    {"metadata": {"name": "cm"}, "data": {"a": "1"}, "binaryData": {"b": base64.b64encode(b"\0").decode()}},
    core.ConfigMap,
)
SECRET = msgspec.convert({"metadata": {"name": "s"}, "data": {"k": base64.b64encode(b"v").decode()}}, core.Secret)
ANCHORS = [pem.encode("CERTIFICATE", one) for one in (b"1", b"2", b"3")]
BUNDLES = [
    msgspec.convert(
        {
            "metadata": {"name": name, "labels": labels},
            "spec": {"signerName": "a.b/s", "trustBundle": b"".join(ANCHORS[one] for one in anchors).decode()},
        },
        certificates.ClusterTrustBundle,
    )
    for name, labels, anchors in (("one", {"live": "yes"}, (1, 0)), ("two", {"live": "yes"}, (2, 1)), ("old", {}, (0,)))
]
TOKEN = core.ServiceAccountTokenProjection(path="token", expirationSeconds=3607)
FOUND = content.Found({"cm": CONFIG}, {"s": SECRET}, {TOKEN: "jwt"}, BUNDLES, {0: (b"K", b"C")})


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ({"configMap": {"name": "cm"}}, {"a": (b"1", 0o644), "b": (b"\0", 0o644)}),
        ({"configMap": {"name": "cm", "items": [{"key": "a", "path": "x/y", "mode": 0o400}]}}, {"x/y": (b"1", 0o400)}),
        ({"configMap": {"name": "none", "optional": True}}, {}),
        ({"secret": {"secretName": "s", "defaultMode": 0o600}}, {"k": (b"v", 0o600)}),
        (
            {"downwardAPI": {"items": [{"path": "n", "fieldRef": {"fieldPath": "metadata.name"}}]}},
            {"n": (b"web", 0o644)},
        ),
        (
            {
                "projected": {
                    "defaultMode": 0o640,
                    "sources": [
                        {"configMap": {"name": "cm", "items": [{"key": "a", "path": "a"}]}},
                        {"secret": {"name": "s"}},
                        {"serviceAccountToken": {"path": "token", "expirationSeconds": 3607}},
                    ],
                }
            },
            {"a": (b"1", 0o640), "k": (b"v", 0o640), "token": (b"jwt", 0o640)},
        ),
    ],
)
def test_payloads(make_pod: MakePod, source: dict[str, Any], expected: dict[str, Any]) -> None:
    files = content.payload(make_pod(), volume(**source), FOUND)
    assert {path: (file.data, file.mode) for path, file in files.items()} == expected


@pytest.mark.parametrize(
    ("source", "files"),
    [
        ({"clusterTrustBundle": {"name": "old", "path": "t"}}, {"t": ANCHORS[0]}),
        ({"clusterTrustBundle": {"name": "none", "path": "t", "optional": True}}, {"t": b""}),
        (
            {"clusterTrustBundle": {"signerName": "a.b/s", "labelSelector": {}, "path": "t"}},
            {"t": b"".join(ANCHORS)},
        ),
        (
            {
                "clusterTrustBundle": {
                    "signerName": "a.b/s",
                    "labelSelector": {"matchLabels": {"live": "yes"}},
                    "path": "t",
                }
            },
            {"t": b"".join(ANCHORS)},
        ),
        ({"clusterTrustBundle": {"signerName": "a.b/s", "optional": True, "path": "t"}}, {"t": b""}),
        (
            {"clusterTrustBundle": {"signerName": "c.d/s", "labelSelector": {}, "path": "t"}},
            "combination of signerName and labelSelector matched zero ClusterTrustBundles",
        ),
        (
            {"clusterTrustBundle": {"name": "none", "path": "t"}},
            'while getting ClusterTrustBundle: clustertrustbundle.certificates.k8s.io "none" not found',
        ),
        ({"podCertificate": {"credentialBundlePath": "both"}}, {"both": b"KC"}),
        ({"podCertificate": {"keyPath": "k", "certificateChainPath": "c"}}, {"k": b"K", "c": b"C"}),
    ],
)
def test_trust_and_certificates(make_pod: MakePod, source: dict[str, Any], files: dict[str, bytes] | str) -> None:
    made = volume(projected={"defaultUser": 7, "sources": [source]})
    if isinstance(files, str):
        with pytest.raises(content.ContentError, match=re.escape(files)):
            content.payload(make_pod(), made, FOUND)
        return
    expected = {path: Projected(data, 0o600, 7) for path, data in files.items()}
    assert content.payload(make_pod(), made, FOUND) == expected


def test_tokens_belong_to_the_only_user(make_pod: MakePod) -> None:
    projected = volume(projected={"sources": [{"serviceAccountToken": {"path": "token", "expirationSeconds": 3607}}]})
    token = content.payload(make_pod(securityContext={"runAsUser": 7}), projected, FOUND)["token"]
    assert (token.mode, token.uid) == (0o600, 7)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ({"configMap": {"name": "none"}}, 'configmap "none" not found'),
        ({"secret": {"secretName": "none"}}, 'secret "none" not found'),
        (
            {"configMap": {"name": "cm", "items": [{"key": "z", "path": "z"}]}},
            "configmap references non-existent config key: z",
        ),
        (
            {"secret": {"secretName": "s", "items": [{"key": "z", "path": "z"}]}},
            "references non-existent secret key: z",
        ),
    ],
)
def test_what_is_missing(make_pod: MakePod, source: dict[str, Any], message: str) -> None:
    with pytest.raises(content.ContentError) as failure:
        content.payload(make_pod(), volume(**source), FOUND)
    assert str(failure.value) == message


def visible(directory: pathlib.Path) -> dict[str, bytes]:
    return {
        str(pathlib.Path(folder).relative_to(directory) / name): (pathlib.Path(folder) / name).read_bytes()
        for folder, _, names in os.walk(directory, followlinks=True)
        for name in names
        if ".." not in str(pathlib.Path(folder).relative_to(directory))
    }


def test_writing_replaces_everything_at_once(tmp_path: pathlib.Path) -> None:
    assert atomic_writer.write(tmp_path, {"a": Projected(b"1"), "d/b": Projected(b"2", 0o600)}, PUBLIC)
    assert visible(tmp_path) == {"a": b"1", "d/b": b"2"}
    assert (tmp_path / "d/b").stat().st_mode & 0o777 == 0o600
    first = (tmp_path / "..data").readlink()

    assert not atomic_writer.write(tmp_path, {"a": Projected(b"1"), "d/b": Projected(b"2", 0o600)}, PUBLIC)
    assert (tmp_path / "..data").readlink() == first

    assert atomic_writer.write(tmp_path, {"a": Projected(b"new"), "c": Projected(b"3")}, PUBLIC)
    assert visible(tmp_path) == {"a": b"new", "c": b"3"}
    assert (tmp_path / "..data").readlink() != first
    assert len([one for one in tmp_path.iterdir() if one.is_dir() and not one.is_symlink()]) == 1


@pytest.mark.parametrize("path", ["/a", "../a", "a/../b", "..a", ""])
def test_paths_stay_inside(tmp_path: pathlib.Path, path: str) -> None:
    with pytest.raises(atomic_writer.UnsafePathError):
        atomic_writer.write(tmp_path, {path: Projected(b"")}, PUBLIC)


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("", ""),
        ("Directory", ""),
        ("DirectoryOrCreate", ""),
        ("File", "is not a file"),
        ("Socket", "is not a socket file"),
        ("FileOrCreate", "is not a file"),
        ("Nonsense", "Nonsense is an invalid volume type"),
    ],
)
def test_host_paths(tmp_path: pathlib.Path, kind: str, message: str) -> None:
    source = core.HostPathVolumeSource(path=str(tmp_path), type=kind)
    if not message:
        assert host_path.prepare(source) == tmp_path
        return
    with pytest.raises(host_path.HostPathError, match=message):
        host_path.prepare(source)


def test_host_paths_are_made(tmp_path: pathlib.Path) -> None:
    host_path.prepare(core.HostPathVolumeSource(path=str(tmp_path / "d/e"), type="DirectoryOrCreate"))
    host_path.prepare(core.HostPathVolumeSource(path=str(tmp_path / "f"), type="FileOrCreate"))
    assert (tmp_path / "d/e").is_dir()
    assert (tmp_path / "f").is_file()


def test_sub_paths_do_not_leave_their_volume(tmp_path: pathlib.Path) -> None:
    base = tmp_path / "volume"
    (base / "in").mkdir(parents=True)
    (base / "good").symlink_to("in")
    (base / "bad").symlink_to(tmp_path)
    for good in ("in", "good", "new/deep"):
        os.close(mounts.open_within(base, good, 0o755))
    assert (base / "new/deep").is_dir()
    for bad in ("bad", "bad/x", ".."):
        with pytest.raises(mounts.SubPathError):
            os.close(mounts.open_within(base, bad, 0o755))
