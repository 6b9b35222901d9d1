"""What a machine must have for real nodes, told from facts about it."""

import pathlib

import pytest

from pybernetes.cluster import findings, machine

WHOLE = machine.Facts(0, (1 << 40) - 1, frozenset(machine.PROGRAMS), pathlib.Path("/opt/cni/bin"), True)


@pytest.mark.parametrize(
    ("change", "finding", "text", "fix"),
    [
        ({"user": 1000, "capabilities": 0, "forwards": False}, "root", "not root", "sudo pybernetes up"),
        ({"capabilities": ~(1 << 12 | 1 << 21)}, "capability", "CAP_NET_ADMIN, CAP_SYS_ADMIN", "--privileged"),
        ({"forwards": False}, "forwarding", "cannot be written", "sysctl -w net.ipv4.ip_forward=1"),
        ({"programs": WHOLE.programs - {"ip", "nft"}}, "programs", "ip, nft", "apt-get install iproute2 nftables"),
        ({"plugins": None}, "cni-plugins", "bridge, host-local", "apt-get install containernetworking-plugins"),
    ],
)
def test_what_is_missing_is_named_with_its_fix(change: dict[str, object], finding: str, text: str, fix: str) -> None:
    (seen,) = machine.lacks(WHOLE._replace(**change))
    assert seen.finding == finding
    assert text in seen.text
    assert fix in seen.remedy
    assert findings.FINDINGS[finding].cost == findings.SIMULATES


def test_nothing_is_missing() -> None:
    assert list(machine.lacks(WHOLE)) == []
