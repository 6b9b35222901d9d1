"""What the documentation names must exist: symbols, links, commands, options, metrics; its examples must run."""

import argparse
import functools
import importlib
import importlib.util
import pathlib
import re
import shlex
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from pybernetes.apiserver.admission import chain
from pybernetes.cli import main as cli
from pybernetes.controllers import table
from pybernetes.testing import cluster as clusters

ROOT = pathlib.Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
EXAMPLES = sorted((ROOT / "examples").glob("*.yaml"))

# `client.rest:Client.raw`, in any page.
SYMBOL = re.compile(r"`([a-z_]+(?:\.[a-z_]+)*):([A-Za-z_][\w.]*)`")
# `client.rest`: a module, if its first name is one of our packages.
MODULE = re.compile(r"`([a-z_]+(?:\.[a-z_]+)+)`")
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
CODE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"(?:^|\s|`)(?:\.venv/bin/)?(?:pybernetes|scripts/up) ([^`\n]*)|`(scripts/up)`")
STEPS = 38

# The names in upstream's map, without "-controller".
UPSTREAM_CONTROLLERS = {
    f"{name}-controller"
    for name in [
        "bootstrap-signer",
        "certificatesigningrequest-approving",
        "certificatesigningrequest-cleaner",
        "certificatesigningrequest-signing",
        "clusterrole-aggregation",
        "cronjob",
        "daemonset",
        "deployment",
        "device-taint-eviction",
        "disruption",
        "endpoints",
        "endpointslice",
        "endpointslice-mirroring",
        "ephemeral-volume",
        "garbage-collector",
        "horizontal-pod-autoscaler",
        "job",
        "kube-apiserver-serving-clustertrustbundle-publisher",
        "legacy-serviceaccount-token-cleaner",
        "namespace",
        "node-ipam",
        "node-lifecycle",
        "persistentvolume-attach-detach",
        "persistentvolume-binder",
        "persistentvolume-expander",
        "persistentvolume-protection",
        "persistentvolumeclaim-protection",
        "pod-garbage-collector",
        "podcertificaterequest-cleaner",
        "podgroup-protection",
        "replicaset",
        "replicationcontroller",
        "resourceclaim",
        "resourcepoolstatusrequest",
        "resourcequota",
        "root-ca-certificate-publisher",
        "selinux-warning",
        "service-cidr",
        "serviceaccount",
        "serviceaccount-token",
        "statefulset",
        "storage-version-migrator",
        "storageversion-garbage-collector",
        "taint-eviction",
        "token-cleaner",
        "ttl",
        "ttl-after-finished",
        "validatingadmissionpolicy-status",
        "volumeattributesclass-protection",
    ]
}
UPSTREAM_ADMISSION = {
    "CertificateApproval",
    "CertificateSigning",
    "CertificateSubjectRestriction",
    "ClusterTrustBundleAttest",
    "DefaultIngressClass",
    "DefaultStorageClass",
    "DefaultTolerationSeconds",
    "LimitRanger",
    "MutatingAdmissionPolicy",
    "MutatingAdmissionWebhook",
    "NamespaceLifecycle",
    "NodeDeclaredFeatureValidator",
    "NodeRestriction",
    "PersistentVolumeClaimResize",
    "PodGroupProtection",
    "PodResizeValidator",
    "PodSecurity",
    "PodTopologyLabels",
    "Priority",
    "ResourceQuota",
    "RuntimeClass",
    "ServiceAccount",
    "StorageObjectInUseProtection",
    "TaintNodesByCondition",
    "ValidatingAdmissionPolicy",
    "ValidatingAdmissionWebhook",
}


def _text(page: pathlib.Path) -> str:
    return page.read_text(encoding="utf-8")


def _page_name(path: pathlib.Path) -> str:
    return path.relative_to(ROOT).as_posix()


pages = pytest.mark.parametrize("page", PAGES, ids=_page_name)


@pages
def test_symbols_exist(page: pathlib.Path) -> None:
    missing = []
    for module, symbol in SYMBOL.findall(_text(page)):
        try:
            found: Any = importlib.import_module(f"pybernetes.{module}")
            for part in symbol.split("."):
                found = getattr(found, part)
        except (ImportError, AttributeError) as error:
            missing.append(f"{module}:{symbol} ({error})")
    packages = {path.name for path in (ROOT / "src" / "pybernetes").iterdir() if path.is_dir()}
    for module in MODULE.findall(_text(page)):
        if module.split(".")[0] in packages and importlib.util.find_spec(f"pybernetes.{module}") is None:
            missing.append(module)
    assert not missing


def test_the_journey_has_all_steps() -> None:
    told = re.findall(r"^\*\*(\d+)\. ", _text(ROOT / "docs" / "journey.md"), re.MULTILINE)
    assert [int(number) for number in told] == [*range(1, STEPS + 1)]


@pages
def test_links_lead_somewhere(page: pathlib.Path) -> None:
    broken = []
    for target in LINK.findall(_text(page)):
        if target.startswith("https://"):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        if not file.exists() or (anchor and anchor not in _anchors(file)):
            broken.append(target)
    assert not broken


def _anchors(page: pathlib.Path) -> set[str]:
    titles = re.findall(r"^#+ (.*)$", _text(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def test_every_page_can_be_reached() -> None:
    seen, pending = set(), [ROOT / "README.md"]
    while pending:
        page = pending.pop()
        if page in seen:
            continue
        seen.add(page)
        targets = [target.partition("#")[0] for target in LINK.findall(_text(page))]
        pending += [(page.parent / target).resolve() for target in targets if target.endswith(".md")]
    assert set(PAGES) <= seen


@pages
def test_files_named_exist(page: pathlib.Path) -> None:
    if page.name == "CHANGELOG.md":
        return
    named = re.findall(r"(?<![\w/.~-])((?:docs|examples|scripts|tests|src)/[\w./-]*\w)", _text(page))
    assert not [path for path in named if not (ROOT / path).exists()]


def test_the_architecture_names_what_is_there() -> None:
    source = ROOT / "src" / "pybernetes"
    (tree,) = _blocks(ROOT / "docs" / "architecture.md", "text")
    named: set[str] = set()
    missing: list[str] = []
    folder = source
    for line in tree.splitlines():
        folders = re.findall(r"(?<!\S)([a-z_/]+)/(?=\s|$)", line) if not line.startswith(" ") else []
        named.update(folders)
        folder = source / folders[0] if folders else folder
        missing += [f"{folder}/{name}" for name in re.findall(r"\w+\.py", line) if not (folder / name).exists()]
    there = {path.parent.relative_to(source).as_posix() for path in source.rglob("*.py")} - {"."}
    assert not missing
    assert named - {"api/data"} == there


@functools.cache
def _options(command: str) -> dict[str, bool]:
    """The options of a command and of what it is followed by (`storage migrate`); whether each takes a value."""
    parser = argparse.ArgumentParser()
    module = importlib.import_module(f"pybernetes.cli.commands.{cli.COMMANDS[command][0]}")
    module.add_arguments(parser)
    known = {"--version": False}
    actions = list(parser._actions)
    for action in actions:
        if isinstance(action, argparse._SubParsersAction):
            actions += (one for below in action.choices.values() for one in below._actions)
        known |= dict.fromkeys(action.option_strings, action.nargs != 0)
    return known


def _commands(page: pathlib.Path) -> Iterator[list[str]]:
    for rest, up in COMMAND.findall(_text(page)):
        words = shlex.split(rest.replace("…", ""), comments=True) if rest else []
        yield ["up", *words] if up or "scripts/up " + rest in _text(page) else words


@pages
def test_commands_and_options_exist(page: pathlib.Path) -> None:
    wrong = []
    for words in _commands(page):
        if not words or not re.fullmatch(r"[a-z-]+", words[0]):
            continue  # prose
        if words[0] not in cli.COMMANDS:
            wrong.append(words[0])
            continue
        used = [word.split("=")[0] for word in words[1:] if word.startswith("-")]
        wrong += [f"{words[0]} {option}" for option in used if option not in _options(words[0])]
    assert not wrong


def _blocks(page: pathlib.Path, language: str) -> list[str]:
    return [body for found, body in CODE.findall(_text(page)) if found == language]


def test_readme_starts_with_two_commands() -> None:
    first = _blocks(ROOT / "README.md", "sh")[0]
    assert [line.split()[0] for line in first.splitlines()] == ["scripts/up", "scripts/test"]


@pages
def test_python_in_pages_compiles(page: pathlib.Path) -> None:
    for body in _blocks(page, "python"):
        compile(body, str(page), "exec")


def _module(page: pathlib.Path) -> dict[str, Any]:
    """What the Python on a page defines, as one module."""
    module: dict[str, Any] = {"__name__": page.stem.replace("-", "_")}
    for body in _blocks(page, "python"):
        exec(compile(body, str(page), "exec"), module)
    return module


@pytest.mark.parametrize("page", [page for page in PAGES if "async def test_" in _text(page)], ids=_page_name)
async def test_tests_in_pages_pass(page: pathlib.Path) -> None:
    module = _module(page)
    for name, test in module.items():
        if name.startswith("test_"):
            (marker,) = test.pytestmark
            async with clusters.Cluster(clusters.Options(**marker.kwargs)) as cluster:
                await test(cluster)


def _listed(page: pathlib.Path, symbol: str) -> set[str]:
    """The names in the paragraph that follows the one which mentions the symbol."""
    after = _text(page).partition(f"(`{symbol}`)")[2].split("\n\n")[1]
    return set(re.findall(r"`([\w-]+)`", after))


def test_what_is_missing_is_missing() -> None:
    deviations = ROOT / "docs" / "deviations.md"
    controllers = _listed(deviations, "controllers.table:CONTROLLERS")
    assert controllers == UPSTREAM_CONTROLLERS - set(table.CONTROLLERS)
    plugins = _listed(deviations, "apiserver.admission.chain:DEFAULT_PLUGINS")
    assert plugins == UPSTREAM_ADMISSION - {plugin.name for plugin in chain.DEFAULT_PLUGINS}


@pytest.mark.parametrize("example", EXAMPLES, ids=_page_name)
@pytest.mark.cluster(nodes=0, scheduler=False, controllers=("serviceaccount",))
async def test_examples_are_valid(cluster: clusters.Cluster, example: pathlib.Path) -> None:
    await cluster.wait("v1", "ServiceAccount", lambda found: len(found) > 0, "default")
    for obj in yaml.safe_load_all(_text(example)):
        await cluster.apply(obj)
        stored = await cluster.get(obj["apiVersion"], obj["kind"], obj["metadata"]["name"])
        assert stored["metadata"]["uid"]
