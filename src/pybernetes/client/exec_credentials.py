"""Credentials that another program supplies (the `exec` entry of a kubeconfig user).

Upstream: client-go/plugin/pkg/client/auth/exec.
"""

import base64
import json
import os
import subprocess
from typing import Any

_VERSIONS = ("client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1")


class ExecError(Exception):
    """The program failed or said something that is no credential."""


def run(config: dict[str, Any], cluster: dict[str, Any]) -> dict[str, str]:
    """Run the program; the fields of a kubeconfig user that its answer stands for."""
    version = config.get("apiVersion") or ""
    if version not in _VERSIONS:
        raise ExecError(f"exec plugin: invalid apiVersion {version!r}")
    command = [config["command"], *(config.get("args") or ())]
    info: dict[str, Any] = {"apiVersion": version, "kind": "ExecCredential", "spec": {"interactive": False}}
    if config.get("provideClusterInfo"):
        fields = ("server", "tls-server-name", "insecure-skip-tls-verify", "certificate-authority-data")
        info["spec"]["cluster"] = {name: cluster[name] for name in fields if name in cluster}
    environment = dict(os.environ)
    environment |= {one["name"]: one["value"] for one in config.get("env") or ()}
    environment["KUBERNETES_EXEC_INFO"] = json.dumps(info)
    try:
        answer = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True)
        status = json.loads(answer.stdout)["status"]
    except FileNotFoundError as error:
        hint = config.get("installHint") or ""
        raise ExecError(f"exec: executable {command[0]} not found\n{hint}".rstrip()) from error
    except subprocess.CalledProcessError as error:
        raise ExecError(f"exec: executable {command[0]} failed with exit code {error.returncode}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise ExecError(f"exec plugin: decoding stdout: {error}") from error
    return _user(status)


def _user(status: dict[str, Any]) -> dict[str, str]:
    user: dict[str, str] = {}
    if token := status.get("token"):
        user["token"] = token
    for field, name in (
        ("clientCertificateData", "client-certificate-data"),
        ("clientKeyData", "client-key-data"),
    ):
        if data := status.get(field):
            user[name] = base64.b64encode(data.encode()).decode("ascii")
    if not user:
        raise ExecError("exec plugin didn't return a token or cert/key pair")
    return user
