"""Builds upstream's programs, which serve tests and benchmarks as the oracle.

This folder is a Go module of ours that requires `k8s.io/kubernetes` and its staging modules, `etcd/` one that requires
etcd's server; nothing of them is committed. The programs go to `~/.cache/pybernetes/upstream/VERSION/bin`; what is
there already is not built again. Cold, on two idle cores: kube-apiserver about four minutes, kube-controller-manager
and etcd about one each, the rest seconds.

    python tests/upstream/build.py                  # all of them
    python tests/upstream/build.py kube-apiserver   # one
"""

from __future__ import annotations

import os
import pathlib
import shutil
import subprocess
import sys
import time

VERSION = "v1.37.2"
PROGRAMS = {
    "kube-apiserver": "k8s.io/kubernetes/cmd/kube-apiserver",
    "kubectl": "k8s.io/kubernetes/cmd/kubectl",
    "etcd": "go.etcd.io/etcd/server/v3",
    "kube-scheduler": "k8s.io/kubernetes/cmd/kube-scheduler",
    "kube-controller-manager": "k8s.io/kubernetes/cmd/kube-controller-manager",
}
CONFORMANCE = {
    "e2e.test": "k8s.io/kubernetes/test/e2e",
    "ginkgo": "github.com/onsi/ginkgo/v2/ginkgo",
    "agnhost": "k8s.io/kubernetes/test/images/agnhost",
    "nnp": "k8s.io/kubernetes/test/images/nonewprivs",
    "sample-apiserver": "k8s.io/sample-apiserver",
    "coredns": "github.com/coredns/coredns",
}
"""What only the conformance suite needs: the suite itself, and the programs in its images."""
NODE = {"kubelet": "k8s.io/kubernetes/cmd/kubelet", "kube-proxy": "k8s.io/kubernetes/cmd/kube-proxy"}
"""What upstream's own nodes run, for a comparison of whole clusters."""
KNOWN = {**PROGRAMS, **CONFORMANCE, **NODE}
VERSION_PACKAGES = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
MODULE = pathlib.Path(__file__).resolve().parent


class BuildError(Exception):
    """Go is missing, or a build failed."""


def cache_folder() -> pathlib.Path:
    """Where the programs of this version live."""
    root = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
    return pathlib.Path(root) / "pybernetes" / "upstream" / VERSION / "bin"


def program(name: str) -> pathlib.Path:
    """The path of one built program; BuildError when it has not been built."""
    path = cache_folder() / name
    if not path.exists():
        raise BuildError(f"{path} is missing: run python {MODULE / 'build.py'} {name}")
    return path


def linker_flags() -> str:
    """Strips symbols and stamps the version, without which everything calls itself v0.0.0-master."""
    major, minor, _ = VERSION.removeprefix("v").split(".")
    values = {"gitVersion": VERSION, "gitMajor": major, "gitMinor": minor, "gitTreeState": "clean"}
    stamps = [f"-X {package}.{name}={value}" for package in VERSION_PACKAGES for name, value in values.items()]
    return " ".join(["-s", "-w", *stamps])


def build(name: str) -> pathlib.Path:
    """Builds one program unless the cache has it."""
    target = cache_folder() / name
    if target.exists():
        print(f"{name}: cached", flush=True)
        return target
    go = shutil.which("go")
    if go is None:
        raise BuildError("building upstream needs the Go toolchain (go) on PATH")
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = target.with_name(f".{name}.{os.getpid()}")
    verb = ["test", "-c", "-vet=off"] if name.endswith(".test") else ["build"]
    command = [go, *verb, "-mod=mod", "-trimpath", "-ldflags", linker_flags(), "-o", str(unfinished)]
    print(f"{name}: building", flush=True)
    started = time.monotonic()
    environment = {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "-buildvcs=false"}
    folder = MODULE / name if (MODULE / name).is_dir() else MODULE
    done = subprocess.run([*command, KNOWN[name]], cwd=folder, env=environment, check=False)
    if done.returncode != 0:
        raise BuildError(f"go build of {name} ended with {done.returncode}")
    unfinished.replace(target)
    print(f"{name}: built in {time.monotonic() - started:.0f} s", flush=True)
    return target


def main(arguments: list[str]) -> int:
    """Builds what is named, or everything."""
    names = arguments or list(PROGRAMS)
    unknown = sorted(set(names) - set(KNOWN))
    if unknown:
        print(f"unknown programs: {', '.join(unknown)}; known: {', '.join(KNOWN)}", file=sys.stderr)
        return 2
    try:
        for name in names:
            build(name)
    except BuildError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
