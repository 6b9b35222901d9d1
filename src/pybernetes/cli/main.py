"""The `pybernetes` command: finds the command's file and hands over.

Only the chosen command is imported, so that the CLI starts in well under 100 ms.
Upstream: cobra commands of cmd/*.
"""

import argparse
import gc
import importlib
import logging
import os
import sys
from collections.abc import Sequence

import pybernetes
from pybernetes.cli import parsing
from pybernetes.cluster import findings

COMMANDS: dict[str, tuple[str, str]] = {
    "up": ("up", "start a cluster in the background, or resume it"),
    "down": ("down", "stop a cluster; with --delete remove everything of it"),
    "status": ("status", "version, endpoint, kubeconfig and processes of a cluster"),
    "kubeconfig": ("kubeconfig", "print the administrator's kubeconfig"),
    "trace": ("trace", "show an object's way through every component, step by step"),
    "doctor": ("doctor", "look for what keeps a cluster from working, and name the fix"),
    "logs": ("logs", "print the log of one of the cluster's components"),
    "node": ("node", "list the nodes; add or remove one while the cluster runs"),
    "storage": ("storage", "look after the store: check, backup, restore, migrate"),
    "snapshot": ("snapshot", "save a cluster's state, to begin another with it"),
    "image": ("image", "build, load or list container images of a node"),
    "controllers": ("controllers", "list the controllers and whether they run"),
    "kube-apiserver": ("kube_apiserver", "run the API server alone, in the foreground"),
    "kube-controller-manager": ("kube_controller_manager", "run the controllers alone, in the foreground"),
    "kube-scheduler": ("kube_scheduler", "run the scheduler alone, in the foreground"),
    "kubelet": ("kubelet", "run a kubelet alone, in the foreground"),
    "kube-proxy": ("kube_proxy", "run the service proxy alone, in the foreground"),
    "control-plane": ("control_plane", argparse.SUPPRESS),
    "run-node": ("run_node", argparse.SUPPRESS),
}

EXAMPLES = """examples:
  pybernetes up                     a cluster with one node, and kubectl ready to use
  pybernetes up --nodes 3           three nodes with containers, each with a network of its own
  pybernetes up --simulated-nodes 3 no root needed: nodes without containers
  pybernetes down                   stop it; `up` resumes it
  pybernetes down --delete          stop it and remove every trace
"""


def parser() -> argparse.ArgumentParser:
    """The top level: names and one-line descriptions of the commands."""
    top = parsing.Parser(
        prog="pybernetes",
        description="Kubernetes, whole, written in Python.",
        epilog=EXAMPLES + "\nrun `pybernetes COMMAND --help` for a command's options",
    )
    version = f"pybernetes {pybernetes.__version__} (Kubernetes {pybernetes.KUBERNETES_VERSION})"
    top.add_argument("--version", action="version", version=version)
    commands = top.add_subparsers(dest="command", metavar="COMMAND")
    for name, (_, description) in COMMANDS.items():
        if description != argparse.SUPPRESS:
            commands.add_parser(name, help=description, add_help=False)
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if not given or given[0] not in COMMANDS:
        top = parser()
        top.parse_args(given)
        top.print_help()
        return 0 if not given else 1
    name = given[0]
    module_name, description = COMMANDS[name]
    # What imports make stays: the collector would look at all of it in vain, for a fifth of the time.
    gc.disable()
    try:
        module = importlib.import_module(f"pybernetes.cli.commands.{module_name}")
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("pybernetes"):
            raise
        print(findings.told(f"Python package of {error.name} is not installed", "packages"), file=sys.stderr)
        return 1
    gc.freeze()
    gc.enable()
    one = parsing.Parser(
        prog=f"pybernetes {name}", description=None if description == argparse.SUPPRESS else module.__doc__
    )
    if name.startswith("kube"):
        version = f"Kubernetes {pybernetes.KUBERNETES_VERSION}"
        one.add_argument("--version", action="version", version=version)
    module.add_arguments(one)
    # Commands say what went wrong in their own words; components configure their logs themselves.
    logging.getLogger("pybernetes").addHandler(logging.NullHandler())
    try:
        code: int = module.run(one.parse_args(given[1:]))
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # The reader of our output went away (`pybernetes logs | head`): not an error of ours.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        if not (finding := findings.of(error)):
            raise
        # not a bug of ours, so no traceback
        where = f": {error.filename}" if error.filename else ""
        print(findings.told(f"{error.strerror}{where}", finding), file=sys.stderr)
        return 1
    return code


if __name__ == "__main__":
    sys.exit(main())
