"""The command line pays for what it imports: the client must not bring slow libraries along."""

import subprocess
import sys

SLOW = ("cryptography", "grpc", "google", "yaml", "apsw", "joserfc", "celpy", "kubernetes_validate", "uvloop")


def test_the_client_imports_nothing_slow() -> None:
    modules = "rest, transport, kubeconfig, discovery, pagination, patches"
    program = f"import sys; from pybernetes.client import {modules}; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, text=True).stdout.split()
    assert [name for name in SLOW if name in loaded] == []
