"""Transcripts of kubectl: commands after `$ `, what they printed below, `[N]` for an exit code other than 0.

Each transcript in `tests/golden/kubectl` was recorded with upstream's control plane
(`tests/upstream/record_kubectl.py`) and runs again against ours in a namespace of its own, named like its file. Ages,
uids, generated names, versions of objects, times and addresses differ from run to run and are masked in both.
"""

import os
import pathlib
import re
import shutil
import subprocess
import sys

FOLDER = pathlib.Path(__file__).parents[1] / "golden" / "kubectl"
SECONDS = 60.0
"""For one command."""

MASKS = [
    (re.compile(pattern), mask)
    for pattern, mask in (
        (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "UID"),
        (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "TIME"),
        (r"\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d \+0000", "TIME"),
        (r"https://127\.0\.0\.1:\d+", "SERVER"),
        (r"(?m)^[EI]\d{4} .*$\n?", ""),
        (r'(resourceVersion"?: |ResourceVersion: *)"?\d+"?', r"\1RV"),
        (r'(resourceVersion\\*": *\\*")\d+', r"\1RV"),
        (r'(?<="serverAddress":")[^"]+', "SERVER"),
        (r"(?<=[-=])(?=[a-z]*\d)[bcdfghjklmnpqrstvwxz2456789]{7,10}\b", "HASH"),
        (r"-[bcdfghjklmnpqrstvwxz2456789]{5}\b(?!-)", "-XXXXX"),
        (r"\b10\.96\.(?!77\.7\b)\d+\.\d+\b", "ADDRESS"),
        (r"\b3[0-2]\d{3}(?=/TCP|\b.*NodePort)|(?<=NodePort: )( *\S+ +)3[0-2]\d{3}", "PORT"),
        (r"(?<![\w.-])(\d{1,3}[shd]|\d{1,2}m)+(?![\w.])", "AGE"),
        (r"/tmp/[\w./-]+", "FILE"),
        (r"[ \t]*\t[ \t]*|  +", "  "),
        (r"(?m) +$", ""),
    )
]


def names() -> list[str]:
    """The transcripts there are."""
    return sorted(path.stem for path in FOLDER.glob("*.txt"))


def read(name: str) -> str:
    """A transcript as it was recorded."""
    return (FOLDER / f"{name}.txt").read_text(encoding="utf-8")


def commands(text: str) -> list[str]:
    """The commands of a transcript."""
    return [line[2:] for line in text.splitlines() if line.startswith("$ ")]


def kubectl() -> pathlib.Path | None:
    """The real kubectl, from the wheel beside this Python."""
    path = pathlib.Path(sys.executable).with_name("kubectl")
    return path if path.exists() else None


def subcommands() -> set[str]:
    """What `kubectl --help` lists."""
    shown = subprocess.run([str(kubectl()), "--help"], capture_output=True, text=True, check=True).stdout
    return set(re.findall(r"^  ([a-z][a-z-]+) +\S", shown, re.MULTILINE))


def run(name: str, kubeconfig: pathlib.Path, scratch: pathlib.Path) -> str:
    """The transcript of the same commands on that cluster."""
    program = kubectl()
    assert program is not None
    own = scratch / f"{name}.kubeconfig"
    shutil.copy(kubeconfig, own)
    environment = {
        "PATH": f"{program.parent}:{os.environ['PATH']}",
        "HOME": str(scratch),
        "KUBECONFIG": str(own),
        "KUBE_EDITOR": "",
        "LC_ALL": "C.UTF-8",
    }
    _shell(f"kubectl create namespace {name}", environment)
    _shell(f"kubectl wait --for=create serviceaccount/default --namespace={name}", environment)
    _shell(f"kubectl config set-context --current --namespace={name}", environment)
    return "".join(f"$ {command}\n{_shell(command, environment)}" for command in commands(read(name)))


def _shell(command: str, environment: dict[str, str]) -> str:
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=FOLDER,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    printed = masked(done.stdout + done.stderr)
    if printed and not printed.endswith("\n"):
        printed += "\n"
    return printed + (f"[{done.returncode}]\n" if done.returncode else "")


def masked(text: str) -> str:
    """The text without what differs from run to run."""
    for pattern, mask in MASKS:
        text = pattern.sub(mask, text)
    return text
