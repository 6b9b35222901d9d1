"""Which cluster a command means: --name and --data-dir, the same for every command."""

import argparse
import os
import pathlib

from pybernetes.cluster import config as configs


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The two options."""
    parser.add_argument("--name", default=configs.DEFAULT_NAME, help="the cluster's name (default: %(default)s)")
    parser.add_argument(
        "--data-dir",
        type=pathlib.Path,
        help="where its files are (default: by name, below /var/lib or the home directory)",
    )


def paths(arguments: argparse.Namespace) -> configs.Paths:
    """The cluster's files."""
    if arguments.data_dir is not None:
        return configs.Paths(arguments.data_dir.absolute())
    return configs.Paths.default(arguments.name)


def existing(where: configs.Paths) -> configs.ClusterConfig:
    """The configuration of a cluster that must be there. Raises ConfigError."""
    config = configs.load(where)
    if config is None:
        raise configs.ConfigError(no_cluster(where))
    return config


def no_cluster(where: configs.Paths) -> str:
    """What to say when it is not."""
    return f"no cluster in {where.root}: `pybernetes up` makes one"


def context_name(cluster: str) -> str:
    """The name of the cluster's entry in a kubeconfig."""
    return cluster if cluster == configs.DEFAULT_NAME else f"{configs.DEFAULT_NAME}-{cluster}"


def user_kubeconfig(given: str) -> pathlib.Path:
    """The kubeconfig to merge the context into: the one given, the first of $KUBECONFIG, or ~/.kube/config."""
    if given:
        return pathlib.Path(given).absolute()
    listed = [part for part in os.environ.get("KUBECONFIG", "").split(os.pathsep) if part]
    return pathlib.Path(listed[0]).absolute() if listed else pathlib.Path.home() / ".kube" / "config"


def read_marker(where: configs.Paths) -> str | None:
    """Which kubeconfig the cluster's context was merged into."""
    marker = where.root / "run" / "kubeconfig"
    return marker.read_text().strip() if marker.exists() else None


def write_marker(where: configs.Paths, kubeconfig: pathlib.Path) -> None:
    """Remember it for `down --delete`."""
    (where.root / "run" / "kubeconfig").write_text(str(kubeconfig))
