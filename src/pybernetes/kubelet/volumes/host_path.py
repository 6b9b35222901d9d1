"""hostPath volumes: the path must be what its type says, or is made so.

Upstream: pkg/volume/hostpath/host_path.go.
"""

import pathlib

from pybernetes.api.types import core


class HostPathError(ValueError):
    """The path is not what its type says."""


def prepare(source: core.HostPathVolumeSource) -> pathlib.Path:
    """Check (or make) the path of the volume."""
    path, kind = pathlib.Path(source.path), source.type or ""
    if kind == "DirectoryOrCreate":
        if not path.exists():
            path.mkdir(mode=0o755, parents=True)
        _demand(path.is_dir(), path, "a directory")
    elif kind == "FileOrCreate":
        if not path.exists():
            path.touch(mode=0o644)
        _demand(path.is_file(), path, "a file")
    elif kind:
        checks = {
            "Directory": (path.is_dir, "a directory"),
            "File": (path.is_file, "a file"),
            "Socket": (path.is_socket, "a socket file"),
            "CharDevice": (path.is_char_device, "a character device"),
            "BlockDevice": (path.is_block_device, "a block device"),
        }
        if kind not in checks:
            raise HostPathError(f"{kind} is an invalid volume type")
        check, what = checks[kind]
        _demand(check(), path, what)
    return path


def _demand(holds: bool, path: pathlib.Path, what: str) -> None:
    if not holds:
        raise HostPathError(f"hostPath type check failed: {path} is not {what}")
