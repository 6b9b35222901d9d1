"""Probes and lifecycle hooks: what they ask, how often, with which limits.

Upstream: pkg/apis/core/validation (validateProbe, validateHandler, validateLifecycle). Pure.
"""

from collections.abc import Callable

from pybernetes.api.validation import formats
from pybernetes.api.validation.formats import Object
from pybernetes.apimachinery import fieldpath

NUMBERS = ("initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold")
SCHEMES = ("HTTP", "HTTPS")
PROTOCOLS = ("HTTP1", "HTTP2")
GRPC_MODES = ("Plaintext", "TLS")
WINDOWS_SIGNALS = ("SIGKILL", "SIGTERM")
# fmt: off
_PLAIN_SIGNALS = (
    "ABRT", "ALRM", "BUS", "CHLD", "CLD", "CONT", "FPE", "HUP", "ILL", "INT", "IO", "IOT", "KILL", "PIPE",
    "POLL", "PROF", "PWR", "QUIT", "SEGV", "STKFLT", "STOP", "SYS", "TERM", "TRAP", "TSTP", "TTIN",
    "TTOU", "URG", "USR1", "USR2", "VTALRM", "WINCH", "XCPU", "XFSZ", "RTMIN", "RTMAX",
)
# fmt: on
LINUX_SIGNALS = tuple(
    sorted(
        (
            *(f"SIG{name}" for name in _PLAIN_SIGNALS),
            *(f"SIGRTMIN+{number}" for number in range(1, 16)),
            *(f"SIGRTMAX-{number}" for number in range(1, 15)),
        )
    )
)


def liveness(found: fieldpath.ErrorList, where: str, given: Object | None, grace: int | None) -> None:
    """A liveness or startup probe: one success is enough."""
    if given is not None:
        probe(found, where, given, grace)
        if given.get("successThreshold") != 1:
            found.append(fieldpath.invalid(where + ".successThreshold", given.get("successThreshold", 0), "must be 1"))


def readiness(found: fieldpath.ErrorList, where: str, given: Object | None, grace: int | None) -> None:
    """A readiness probe: it ends nothing, so it has no grace."""
    if given is not None:
        probe(found, where, given, grace)
        seconds = given.get("terminationGracePeriodSeconds")
        if seconds is not None:
            place = where + ".terminationGracePeriodSeconds"
            found.append(fieldpath.invalid(place, seconds, "must not be set for readinessProbes"))


def probe(found: fieldpath.ErrorList, where: str, given: Object, grace: int | None) -> None:
    """What all probes share."""
    handler(found, where, given, grace)
    for name in NUMBERS:
        if given.get(name, 0) < 0:
            formats.not_negative(found, f"{where}.{name}", given[name])
    seconds = given.get("terminationGracePeriodSeconds")
    if seconds is not None and seconds <= 0:
        found.append(fieldpath.invalid(where + ".terminationGracePeriodSeconds", seconds, "must be greater than 0"))


def lifecycle(found: fieldpath.ErrorList, where: str, given: Object, grace: int | None, os: str | None) -> None:
    """Hooks of a container, and the signal that stops it. `os` is None where the Pod names none."""
    for name in ("postStart", "preStop"):
        if given.get(name) is not None:
            handler(found, f"{where}.{name}", given[name], grace)
    signal = given.get("stopSignal")
    if signal is not None:
        place = where + ".stopSignal"
        if os is None:
            found.append(fieldpath.forbidden(place, "may not be set for containers with empty `spec.os.name`"))
        elif os in ("windows", "linux"):
            formats.supported(found, place, signal, WINDOWS_SIGNALS if os == "windows" else LINUX_SIGNALS)


def handler(found: fieldpath.ErrorList, where: str, given: Object, grace: int | None) -> None:
    """Exactly one way to ask."""
    chosen = False
    for name, check in HANDLERS:
        action = given.get(name)
        if action is None:
            continue
        if chosen:
            found.append(fieldpath.forbidden(f"{where}.{name}", "may not specify more than 1 handler type"))
        else:
            chosen = True
            check(found, f"{where}.{name}", action)
    sleep = given.get("sleep")
    if sleep is not None:
        if chosen:
            found.append(fieldpath.forbidden(where + ".sleep", "may not specify more than 1 handler type"))
        elif grace is not None and not 0 <= sleep.get("seconds", 0) <= grace:
            text = f"must be non-negative and less than terminationGracePeriodSeconds ({grace})"
            found.append(fieldpath.invalid(where + ".sleep", sleep.get("seconds", 0), text))
        chosen = True
    if not chosen:
        found.append(fieldpath.required(where, "must specify a handler type"))


def _exec(found: fieldpath.ErrorList, where: str, action: Object) -> None:
    if not action.get("command"):
        found.append(fieldpath.required(where + ".command"))


def _http(found: fieldpath.ErrorList, where: str, action: Object) -> None:
    if not action.get("path"):
        found.append(fieldpath.required(where + ".path"))
    formats.port_number_or_name(found, where + ".port", action.get("port", 0))
    scheme = action.get("scheme") or ""
    formats.supported(found, where + ".scheme", scheme, SCHEMES)
    for header in action.get("httpHeaders") or ():
        name = header.get("name") or ""
        if formats.header_name(name):
            formats.each(found, where + ".httpHeaders", name, formats.header_name)
    protocol = action.get("protocol")
    if protocol is None:
        return
    if protocol not in PROTOCOLS:
        found.append(fieldpath.not_supported(where + ".protocol", protocol, PROTOCOLS))
    elif protocol == "HTTP2" and scheme != "HTTP":
        found.append(fieldpath.invalid(where + ".protocol", protocol, "is only supported with HTTP (H2C)"))
    elif protocol == "HTTP2" and action.get("host"):
        text = 'must be empty when `protocol` is "HTTP2"'
        found.append(fieldpath.invalid(where + ".host", action["host"], text))


def _tcp(found: fieldpath.ErrorList, where: str, action: Object) -> None:
    formats.port_number_or_name(found, where + ".port", action.get("port", 0))


def _grpc(found: fieldpath.ErrorList, where: str, action: Object) -> None:
    formats.port_number(found, where + ".port", action.get("port", 0))
    if action.get("mode") is not None:
        formats.supported(found, where + ".mode", action["mode"], GRPC_MODES)


HANDLERS: tuple[tuple[str, Callable[[fieldpath.ErrorList, str, Object], None]], ...] = (
    ("exec", _exec),
    ("httpGet", _http),
    ("tcpSocket", _tcp),
    ("grpc", _grpc),
)
