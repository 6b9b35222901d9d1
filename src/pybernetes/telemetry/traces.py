"""Steps of an object's journey, told by the code that takes them while somebody listens.

    traces.step(12, "default/web", "creates 3")      in the code that takes step 12 of docs/journey.md
    with traces.listening(steps.append): ...         in whoever wants to know

A step that nobody listens to costs one look at a variable, so hot paths pass what they have: a name in parts, a number.
Steps that are taken once, when a process starts, are kept for listeners that come later. Which component takes a step
is seen from the module, or for modules that all of them share from `acting_as`.
Upstream: none (its spans, k8s.io/component-base/tracing, follow requests, not objects).
"""

import contextlib
import contextvars
import sys
from collections.abc import Callable, Iterator

import msgspec

from pybernetes.aio import clock as clocks

_COMPONENTS = {
    "apiserver": "kube-apiserver",
    "storage": "kube-apiserver",
    "controllers": "kube-controller-manager",
    "scheduler": "kube-scheduler",
    "kubelet": "kubelet",
    "proxy": "kube-proxy",
    "dns": "cluster-dns",
}
_ROOT = "pybernetes."


class Step(msgspec.Struct, frozen=True, omit_defaults=True):
    """One step: its number in docs/journey.md, what it is about (`namespace/name`), and where in the source."""

    n: int
    time: float
    component: str
    function: str
    source: str
    object: str = ""
    note: str = ""
    rv: str = ""


Listener = Callable[[Step], None]

acting_as: contextvars.ContextVar[str] = contextvars.ContextVar("component", default="")
_listener: Listener | None = None
_kept: dict[tuple[int, str], Step] = {}
_clock = clocks.RealClock()
"""Steps of several processes are put in order: they carry the machine's time, whatever a test has its clocks say."""


def step(number: int, about: str | tuple[str, str] = "", note: str = "", rv: str | int = "") -> None:
    """The caller takes that step; `about` is `namespace/name`, or the two."""
    if _listener is not None:
        _listener(_made(number, about, note, rv))


def started(number: int, about: str = "", note: str = "") -> None:
    """The caller takes a step that happens once, at start."""
    made = _made(number, about, note, "")
    _kept[number, about] = made  # taken again, it counts anew
    if _listener is not None:
        _listener(made)


def _made(number: int, about: str | tuple[str, str], note: str, rv: str | int) -> Step:
    frame = sys._getframe(2)
    module = frame.f_globals["__name__"].removeprefix(_ROOT)
    component = _COMPONENTS.get(module.partition(".")[0]) or acting_as.get()
    source = f"{module.replace('.', '/')}.py:{frame.f_lineno}"
    function = f"{module}:{frame.f_code.co_qualname if sys.version_info >= (3, 11) else frame.f_code.co_name}"
    shown = about if isinstance(about, str) else "/".join(about)
    return Step(number, _clock.now().timestamp(), component, function, source, shown, note, str(rv))


@contextlib.contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Hear of every step until the end of the block, first of those taken at start. One listener at a time."""
    global _listener
    for one in _kept.values():
        listener(one)
    before, _listener = _listener, listener
    try:
        yield
    finally:
        _listener = before
