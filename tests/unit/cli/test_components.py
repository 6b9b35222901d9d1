"""What the flags of components become."""

import argparse
import importlib
import pathlib

import pytest

from pybernetes.aio import clock as clocks
from pybernetes.cli import foreground, main, parsing
from pybernetes.cli.commands import kube_controller_manager, kube_proxy, kubelet
from pybernetes.cluster.standalone import apiserver, connections
from pybernetes.crypto import certs


def parsed(name: str, *arguments: str) -> argparse.Namespace:
    module = importlib.import_module(f"pybernetes.cli.commands.{main.COMMANDS[name][0]}")
    parser = parsing.Parser(prog=name)
    module.add_arguments(parser)
    found: argparse.Namespace = parser.parse_args(list(arguments))
    return found


def test_controller_manager() -> None:
    arguments = parsed(
        "kube-controller-manager",
        "--controllers=*,-namespace",
        "--concurrent-replicaset-syncs=7",
        "--leader-elect=false",
        "--node-monitor-grace-period=40s",
        "--cluster-cidr=10.244.0.0/16",
        "--secure-port=0",
    )
    assert arguments.controllers == ("*", "-namespace")
    settings = kube_controller_manager.settings(arguments)
    assert settings.concurrent_replicaset_syncs == 7
    assert settings.concurrent_gc_syncs == 20
    assert settings.node_monitor_grace_period == 40.0
    assert settings.cluster_cidr == ""
    election = foreground.election(arguments)
    assert (election.enabled, election.name, election.timing.renew_deadline) == (False, "kube-controller-manager", 10.0)
    assert foreground.serving(arguments).port == 0


def test_kubelet() -> None:
    arguments = parsed(
        "kubelet", "--hostname-override=Node-A", "--node-labels=a=b,c=", "--cluster-dns=10.96.0.10", "--root-dir=/x"
    )
    config = kubelet.settings(arguments)
    assert config.node_name == "node-a"
    assert config.node_labels == {"a": "b", "c": ""}
    assert config.cluster_dns == ("10.96.0.10",)
    assert config.root_dir == pathlib.Path("/x")


def test_kubelet_refuses_bad_labels() -> None:
    with pytest.raises(connections.SettingsError, match="--node-labels: 'a' is not KEY=VALUE"):
        kubelet.settings(parsed("kubelet", "--node-labels=a"))


def test_proxy() -> None:
    config = kube_proxy.settings(parsed("kube-proxy", "--cluster-cidr=10.0.0.0/8", "--healthz-bind-address=1.2.3.4:5"))
    assert (config.cluster_cidr, config.address, config.healthz_port) == ("10.0.0.0/8", "1.2.3.4", 5)


class TestApiServer:
    """Settings that the API server must refuse, in upstream's words."""

    @pytest.fixture
    def settings(self, tmp_path: pathlib.Path) -> dict[str, object]:
        key = tmp_path / "sa.key"
        key.write_bytes(certs.new_key())
        return {
            "data_dir": tmp_path,
            "bind_address": "127.0.0.1",
            "service_account_issuer": "https://issuer",
            "service_account_signing_key_file": str(key),
        }

    @staticmethod
    def config(settings: dict[str, object]) -> object:
        return apiserver.server_config(apiserver.ApiServerSettings(**settings), clocks.RealClock())  # type: ignore[arg-type]

    def test_the_least(self, settings: dict[str, object]) -> None:
        assert self.config(settings)

    @pytest.mark.parametrize(
        ("change", "text"),
        [
            ({"service_account_issuer": ""}, "service-account-issuer is a required flag"),
            ({"service_account_signing_key_file": ""}, "--service-account-signing-key-file"),
            ({"service_account_signing_key_file": "/nonexistent"}, "--service-account-signing-key-file: "),
            ({"service_cluster_ip_range": "10.0.0.1/16"}, "is not a valid CIDR"),
            ({"service_cluster_ip_range": "10.0.0.0/30"}, "too small"),
            ({"secure_port": 0}, "--secure-port 0 must be between 1 and 65535"),
            ({"token_auth_file": "/nonexistent"}, "--token-auth-file: "),
            ({"kubelet_client_certificate": "/nonexistent"}, "--kubelet-client-certificate: "),
        ],
    )
    def test_refusals(self, settings: dict[str, object], change: dict[str, object], text: str) -> None:
        with pytest.raises(connections.SettingsError, match=text):
            self.config(settings | change)

    def test_another_verifying_key(self, settings: dict[str, object], tmp_path: pathlib.Path) -> None:
        other = tmp_path / "other.key"
        other.write_bytes(certs.new_key())
        with pytest.raises(connections.SettingsError, match="not supported yet"):
            self.config(settings | {"service_account_key_file": str(other)})

    @pytest.mark.parametrize(
        ("flags", "text"),
        [
            (["--authorization-mode=AlwaysAllow"], "only Node,RBAC is supported"),
            ([], "service-account-issuer is a required flag"),
        ],
    )
    def test_exit_codes(
        self, flags: list[str], text: str, capsys: pytest.CaptureFixture[str], tmp_path: pathlib.Path
    ) -> None:
        assert main.main(["kube-apiserver", "--data-dir", str(tmp_path), *flags]) == 1
        assert text in capsys.readouterr().err


@pytest.mark.parametrize("name", ["kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy"])
def test_a_kubeconfig_is_required(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main([name]) == 1
    assert capsys.readouterr().err.startswith("error: --kubeconfig is required")
    assert main.main([name, "--kubeconfig=/nonexistent"]) == 1
    assert "stat /nonexistent: no such file or directory" in capsys.readouterr().err


def test_unknown_controllers_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["kube-controller-manager", "--kubeconfig=x", "--controllers=foo"]) == 1
    assert '"foo" is not in the list of known controllers' in capsys.readouterr().err
