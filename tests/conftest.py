"""Skips, with the reason, what this machine cannot run: real containers, upstream's own programs."""

import os
import pathlib

import pytest

from pybernetes.cluster import runtime

VERSION = "v1.37.2"


def _no_containers() -> str:
    return runtime.missing()


def _no_oracle() -> str:
    cache = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache")
    program = cache / "pybernetes" / "upstream" / VERSION / "bin" / "kube-apiserver"
    return "" if program.exists() else "upstream's programs are not built: python tests/upstream/build.py"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give every test whose needs are not met a reason to skip."""
    for marker, missing in (("node", _no_containers), ("upstream", _no_oracle)):
        marked = [item for item in items if item.get_closest_marker(marker)]
        reason = missing() if marked else ""
        for item in marked if reason else ():
            item.add_marker(pytest.mark.skip(reason=reason))
