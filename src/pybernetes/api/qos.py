"""Quality of service: how much a Pod was promised, which decides whom the kernel kills first.

Pure. Works on (requests, limits) pairs of quantity texts, so that server (dicts) and kubelet (structs) share it.
Upstream: pkg/apis/core/v1/helper/qos.
"""

from collections.abc import Iterable, Mapping

from pybernetes.apimachinery import quantity

GUARANTEED, BURSTABLE, BEST_EFFORT = "Guaranteed", "Burstable", "BestEffort"
COUNTED = ("cpu", "memory")

Amounts = Mapping[str, str]


def qos_class(containers: Iterable[tuple[Amounts, Amounts]]) -> str:
    """The class of a Pod with those containers (init containers count): requests and limits of each.

    Guaranteed: every container has limits for CPU and memory, and requests no less. BestEffort: nobody asks for
    anything. Burstable: all else.
    """
    requests: dict[str, quantity.Quantity] = {}
    limits: dict[str, quantity.Quantity] = {}
    guaranteed = True
    for asked, allowed in containers:
        _add(requests, asked)
        found = _add(limits, allowed)
        guaranteed = guaranteed and found == set(COUNTED)
    if not requests and not limits:
        return BEST_EFFORT
    if guaranteed and len(requests) == len(limits) and all(requests.get(name) == limits[name] for name in limits):
        return GUARANTEED
    return BURSTABLE


def _add(totals: dict[str, quantity.Quantity], amounts: Amounts) -> set[str]:
    found = set()
    for name in COUNTED:
        if name in amounts and (amount := quantity.parse(str(amounts[name]))) > quantity.parse("0"):
            found.add(name)
            totals[name] = totals[name] + amount if name in totals else amount
    return found
