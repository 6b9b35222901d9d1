"""Puts the recorded cases to any API server and shows where it answers differently from upstream.

    python tests/upstream/replay.py --kubeconfig FILE                     # all of errors/, patches/ and defaults/
    python tests/upstream/replay.py --kubeconfig FILE errors/pod -v       # one file, with differences in full
    python tests/upstream/replay.py --kubeconfig FILE errors/pod -k port  # cases whose name contains "port"

Exit code 1 when anything differs. Messages and causes are compared exactly; in objects the order of map keys is not.
"""

from __future__ import annotations

import argparse
import difflib
import http.client
import pathlib
import sys
from collections.abc import Iterator
from typing import Any

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import cases

GOLDEN = pathlib.Path(__file__).resolve().parents[1] / "golden" / "upstream"
FOLDERS = ("defaults", "errors", "patches")


def recorded(folder: str, files: list[str], pattern: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Name and case of everything asked for; an object of defaults/ becomes a case too."""
    if folder == "defaults":
        for path in sorted((GOLDEN / folder).glob("*.input.yaml")):
            name = path.name.removesuffix(".input.yaml")
            if (not files or name in files) and pattern in name:
                stored = cases.load(path.with_name(f"{name}.output.yaml"))
                yield f"{folder}/{name}", {"create": cases.load(path), "stored": stored}
        return
    for path in cases.case_files(GOLDEN / folder, files):
        for case in cases.load(path):
            if pattern in case["name"] and "expect" in case:
                case["brief"] = path.stem.startswith(cases.BRIEF)
                yield f"{folder}/{path.stem} {case['name']}", case


def answer(server: cases.Server, case: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """What upstream answered and what this server answers, both comparable."""
    if "create" in case:
        server.remove(case["create"])
        created = server.create(case["create"], status=False)
        server.remove(case["create"])
        return {"stored": case["stored"]}, {"stored": cases.strip(created)}
    asked = {key: value for key, value in case.items() if key not in ("expect", "stored", "brief")}
    expected = cases.normalise({key: value for key, value in case.items() if key in ("expect", "stored")})
    found = cases.run_case(server, asked)
    return expected, cases.brief(found) if case["brief"] else found


def difference(expected: dict[str, Any], found: dict[str, Any]) -> str:
    """A unified difference of the two answers in YAML, keys sorted; empty when they agree."""
    if expected == found:
        return ""
    theirs, ours = (cases.dump(_sorted(one)).splitlines() for one in (expected, found))
    return "\n".join(difflib.unified_diff(theirs, ours, "upstream", "here", lineterm="", n=2))


def differs(server: cases.Server, case: dict[str, Any]) -> str:
    """The difference between upstream's answer and this server's, "" for none."""
    try:
        return difference(*answer(server, case))
    except (LookupError, OSError, ValueError, http.client.HTTPException) as error:
        return f"{type(error).__name__}: {error}"


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _sorted(value[key]) for key in sorted(value)}
    return [_sorted(one) for one in value] if isinstance(value, list) else value


def replay(server: cases.Server, wanted: list[str], pattern: str, verbose: bool) -> int:
    """Runs everything asked for; returns how many cases differ."""
    server.ensure_namespace()
    server.ensure_namespace("golden-other")
    failed = 0
    for folder in FOLDERS:
        files = [one.partition("/")[2] for one in wanted if one.partition("/")[0] == folder]
        if wanted and not files:
            continue
        count = 0
        before = failed
        for name, case in recorded(folder, [one for one in files if one], pattern):
            count += 1
            text = differs(server, case)
            if text:
                failed += 1
                print(f"DIFFERS {name}")
                lines = text.splitlines()
                shown = lines if verbose else [line for line in lines if line[:1] in "+-"][2:8] or lines[:2]
                print("\n".join(f"    {line if verbose else line[:200]}" for line in shown), flush=True)
        print(f"{folder}: {count - (failed - before)} of {count} as upstream", flush=True)
    return failed


def main(arguments: list[str]) -> int:
    """Replays against the server of a kubeconfig."""
    parser = argparse.ArgumentParser(description="Compare an API server with upstream's recorded answers.")
    parser.add_argument("--kubeconfig", type=pathlib.Path, required=True)
    parser.add_argument("-v", "--verbose", action="store_true", help="whole differences")
    parser.add_argument("-k", dest="pattern", default="", help="only cases whose name contains this")
    parser.add_argument("parts", nargs="*", help="FOLDER or FOLDER/FILE of defaults, errors, patches")
    options = parser.parse_args(arguments)
    server = cases.Server.from_kubeconfig(options.kubeconfig)
    return 1 if replay(server, options.parts, options.pattern, options.verbose) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
