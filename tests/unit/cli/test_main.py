"""Every command: its help, what it refuses, and that the command line starts quickly enough."""

import subprocess
import sys

import pytest

from pybernetes.cli import main

UPSTREAM = {
    "kube-apiserver": ("Secure serving flags", "Authentication flags", "Authorization flags", "Service account flags"),
    "kube-controller-manager": ("Generic flags", "Leader election flags", "Secure serving flags", "Concurrency flags"),
    "kube-scheduler": ("Leader election flags", "Secure serving flags", "Logs flags"),
    "kubelet": ("Node flags", "Container runtime flags", "Secure serving flags"),
    "kube-proxy": ("Proxy flags", "Client flags"),
}


def refusal(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """What is said on standard error when the command line is wrong."""
    with pytest.raises(SystemExit) as ended:
        main.main(arguments)
    assert ended.value.code == 1
    return capsys.readouterr().err


@pytest.mark.parametrize("name", main.COMMANDS)
def test_every_command_has_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main.main([name, "--help"])
    assert ended.value.code == 0
    shown = capsys.readouterr().out
    assert shown.startswith(f"usage: pybernetes {name}")
    for section in UPSTREAM.get(name, ()):
        assert f"\n{section}:\n" in shown


def test_the_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main([]) == 0
    shown = capsys.readouterr().out
    for name in set(main.COMMANDS) - {"control-plane", "run-node"}:
        assert f"    {name} " in shown or f"    {name}\n" in shown


@pytest.mark.parametrize("name", [name for name in main.COMMANDS if name not in ("storage", "image", "logs")])
def test_unknown_flags_are_refused(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    whose = ["--data-dir", "x"]
    needed = {"control-plane": whose, "run-node": [*whose, "--index", "1"], "node": ["list"], "snapshot": ["list"]}
    assert refusal(capsys, name, *needed.get(name, []), "--no-such-flag=1").startswith(
        "error: unknown flag: --no-such-flag\n"
    )


def test_abbreviations_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert "unknown flag: --simulated" in refusal(capsys, "up", "--simulated", "1")


def test_unknown_commands_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert "invalid choice: 'upp'" in refusal(capsys, "upp")


@pytest.mark.parametrize("name", UPSTREAM)
def test_components_say_which_kubernetes_they_are(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main.main([name, "--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out == "Kubernetes v1.37.2\n"


@pytest.mark.parametrize("arguments", [["--help"], ["status", "--data-dir", "/nonexistent"]])
def test_simple_commands_load_no_event_loop(arguments: list[str]) -> None:
    """It is what makes them answer within a tenth of a second."""
    program = (
        "import sys\nfrom pybernetes.cli import main\n"
        f"try: main.main({arguments!r})\nexcept SystemExit: pass\n"
        "heavy = {'asyncio', 'cryptography', 'yaml', 'grpc', 'apsw'} & set(sys.modules)\n"
        "sys.exit(str(heavy) if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
