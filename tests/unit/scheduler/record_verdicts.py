"""Asks upstream's scheduler about every scenario and writes `verdicts.json`.

    python tests/unit/scheduler/record_verdicts.py [--programs-built]

Needs the programs of tests/upstream (built on first use). Each scenario is asked several times; from the first Pod on
whose answer changes (equal scores are decided at random) the rest of it is left out.
"""

import json
import pathlib
import sys
import time
from typing import Any

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1] / "upstream")]

import oracle  # noqa: E402
import scenarios  # noqa: E402

TIMES = 6
ADMISSION = "--disable-admission-plugins=ServiceAccount,Priority,TaintNodesByCondition"


class Asker:
    """One upstream control plane."""

    def __init__(self, upstream: oracle.Oracle) -> None:
        self._upstream = upstream

    def send(self, method: str, path: str, body: Any = None) -> Any:
        """A request, whose answer must be a success."""
        data = None if body is None else json.dumps(body).encode()
        code, _, answer = self._upstream.request(method, path, data, {"Content-Type": "application/json"})
        assert code < 300 or (method == "DELETE" and code == 404), answer
        return json.loads(answer)

    def ask(self, scenario: scenarios.Scenario) -> list[tuple[str, str]]:
        """What becomes of each Pod."""
        for one in scenario.nodes:
            made = self.send("POST", "/api/v1/nodes", one)
            made["status"] = one["status"]
            self.send("PUT", f"/api/v1/nodes/{one['metadata']['name']}/status", made)
        for one in scenario.placed:
            self.send("POST", "/api/v1/namespaces/default/pods", one)
        time.sleep(0.4)
        answers = [self._verdict(one) for one in scenario.pods]
        for one in (*scenario.placed, *scenario.pods):
            path = f"/api/v1/namespaces/default/pods/{one['metadata']['name']}"
            self.send("DELETE", path, {"kind": "DeleteOptions", "apiVersion": "v1", "gracePeriodSeconds": 0})
        for one in scenario.nodes:
            self.send("DELETE", f"/api/v1/nodes/{one['metadata']['name']}")
        time.sleep(0.3)
        return answers

    def _verdict(self, pod: Any) -> tuple[str, str]:
        self.send("POST", "/api/v1/namespaces/default/pods", pod)
        while True:
            found = self.send("GET", f"/api/v1/namespaces/default/pods/{pod['metadata']['name']}")
            if found["spec"].get("nodeName"):
                time.sleep(0.05)
                return ("node", found["spec"]["nodeName"])
            for condition in found["status"].get("conditions", ()):
                if condition["type"] == "PodScheduled" and condition["status"] == "False":
                    return (condition["reason"], condition["message"])
            time.sleep(0.02)


def main() -> None:
    """Ask and write."""
    verdicts: dict[str, list[tuple[str, str]]] = {}
    with oracle.Oracle(scheduler=True, server_flags=(ADMISSION,)) as upstream:
        asker = Asker(upstream)
        time.sleep(3.0)
        for scenario in scenarios.everything():
            answers = [asker.ask(scenario) for _ in range(TIMES)]
            same = []
            for several in zip(*answers, strict=True):
                if len({*several}) > 1:
                    break
                same.append(several[0])
            verdicts[scenario.name] = same
            print(scenario.name, f"{len(same)}/{len(scenario.pods)}", flush=True)
    (HERE / "verdicts.json").write_text(json.dumps(verdicts, indent=1) + "\n")


if __name__ == "__main__":
    main()
