"""Reading as kubectl reads; writing only what is ours."""

import base64
import os
import pathlib
import stat
import sys
import textwrap

import pytest
import yaml

from pybernetes.client import exec_credentials, kubeconfig

THEIRS = textwrap.dedent(
    """\
    apiVersion: v1
    kind: Config
    preferences: {}
    clusters:
    - name: prod
      cluster:
        server: https://prod.example:6443
        certificate-authority: pki/ca.crt
        insecure-skip-tls-verify: true
    contexts:
    - name: prod
      context: {cluster: prod, user: admin, namespace: shop}
    current-context: prod
    users:
    - name: admin
      user:
        client-certificate-data: Y2VydA==
        client-key-data: a2V5
        unknown-field: kept
    """
)
ACCESS = kubeconfig.Access("dev", "https://127.0.0.1:6443", b"CA", cert_pem=b"CERT", key_pem=b"KEY")


@pytest.fixture
def file(tmp_path: pathlib.Path) -> pathlib.Path:
    path = tmp_path / "config"
    path.write_text(THEIRS)
    return path


def test_credentials_of_the_current_context(file: pathlib.Path) -> None:
    found = kubeconfig.load(str(file)).credentials()
    assert found.server == "https://prod.example:6443"
    assert found.ca_file == str(file.parent / "pki" / "ca.crt")
    assert (found.cert_data, found.key_data) == (b"cert", b"key")
    assert (found.insecure, found.namespace) == (True, "shop")
    other = kubeconfig.load(str(file)).credentials(namespace="x", server="http://other")
    assert (other.namespace, other.server) == ("x", "http://other")


def test_the_first_file_wins(file: pathlib.Path) -> None:
    second = file.with_name("second")
    second.write_text(
        '{"current-context": "b", "contexts": [{"name": "prod", "context": {"cluster": "lost"}},'
        ' {"name": "b", "context": {"cluster": "b", "user": "b"}}], "clusters": [{"name": "b", "cluster":'
        ' {"server": "https://b"}}], "users": [{"name": "b", "user": {"token": "t", "tokenFile": "rel"}}]}'
    )
    merged = kubeconfig.load(environ={"KUBECONFIG": f"{file.with_name('none')}{os.pathsep}{file}{os.pathsep}{second}"})
    assert merged.current_context == "prod"
    assert merged.contexts["prod"]["cluster"] == "prod"
    found = merged.credentials(context="b")
    assert (found.server, found.token, found.token_file) == ("https://b", "t", str(file.parent / "rel"))


def test_no_configuration_means_localhost(tmp_path: pathlib.Path) -> None:
    found = kubeconfig.load(environ={"HOME": str(tmp_path)}).credentials()
    assert found.server == "http://localhost:8080"


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"context": "nope"}, 'context "nope" does not exist'),
        ({"cluster": "nope"}, 'cluster "nope" does not exist'),
        ({"user": "nope"}, 'auth info "nope" does not exist'),
    ],
)
def test_names_that_do_not_exist(file: pathlib.Path, options: dict[str, str], text: str) -> None:
    with pytest.raises(kubeconfig.KubeconfigError, match=text):
        kubeconfig.load(str(file)).credentials(**options)


def test_an_explicit_file_must_exist(tmp_path: pathlib.Path) -> None:
    with pytest.raises(kubeconfig.KubeconfigError, match="no such file or directory"):
        kubeconfig.load(str(tmp_path / "none"))


def test_our_entries_come_and_go_and_theirs_stay(file: pathlib.Path) -> None:
    before = yaml.safe_load(file.read_text())
    kubeconfig.write_access(file, ACCESS)
    written = yaml.safe_load(file.read_text())
    assert written["current-context"] == "dev"
    assert [one["name"] for one in written["clusters"]] == ["prod", "dev"]
    for plural in ("clusters", "users", "contexts"):
        assert written[plural][0] == before[plural][0]
    assert written["users"][1]["user"]["client-key-data"] == base64.b64encode(b"KEY").decode()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    found = kubeconfig.load(str(file)).credentials()
    assert (found.server, found.ca_data, found.cert_data) == ("https://127.0.0.1:6443", b"CA", b"CERT")
    kubeconfig.write_access(file, ACCESS)  # a second time: in place of the first
    assert [one["name"] for one in yaml.safe_load(file.read_text())["contexts"]] == ["prod", "dev"]
    kubeconfig.remove_access(file, "dev")
    assert yaml.safe_load(file.read_text()) == before
    assert [*file.parent.iterdir()] == [file]


def test_a_name_of_somebody_else_is_never_touched(file: pathlib.Path) -> None:
    before = file.read_bytes()
    mine = kubeconfig.Access("prod", "https://127.0.0.1:6443", b"CA", token="t")
    with pytest.raises(kubeconfig.ForeignEntry):
        kubeconfig.write_access(file, mine)
    with pytest.raises(kubeconfig.ForeignEntry):
        kubeconfig.remove_access(file, "prod")
    assert file.read_bytes() == before
    assert [*file.parent.iterdir()] == [file]


def test_a_new_file_is_private(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "new" / "config"
    kubeconfig.write_access(path, ACCESS)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert yaml.safe_load(path.read_text())["current-context"] == "dev"
    kubeconfig.remove_access(path, "dev")
    assert yaml.safe_load(path.read_text())["contexts"] == []


def test_a_locked_file_is_left_alone(file: pathlib.Path) -> None:
    lock = file.with_name("config.lock")
    lock.touch()
    with pytest.raises(kubeconfig.KubeconfigError, match="file exists"):
        kubeconfig.write_access(file, ACCESS)
    assert lock.exists()


def test_an_exec_plugin_supplies_the_token(file: pathlib.Path) -> None:
    script = (
        "import json,os; info=json.loads(os.environ['KUBERNETES_EXEC_INFO']);"
        "print(json.dumps({'status': {'token': os.environ['X'] + info['kind']}}))"
    )
    config = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "command": sys.executable,
        "args": ["-c", script],
        "env": [{"name": "X", "value": "y"}],
    }
    assert exec_credentials.run(config, {}) == {"token": "yExecCredential"}
    with pytest.raises(exec_credentials.ExecError, match="exit code 3"):
        exec_credentials.run({**config, "args": ["-c", "raise SystemExit(3)"]}, {})
    with pytest.raises(exec_credentials.ExecError, match="not found\nget it"):
        exec_credentials.run({**config, "command": "/no/such/program", "installHint": "get it"}, {})
