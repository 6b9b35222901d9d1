"""Structured, levelled logs in klog's line format, or as JSON.

A record's extra fields come as keyword-like pairs: `logger.info("created pod", extra={"kv": {"pod": "ns/name"}})` or
through `kv(...)`. Verbosity `--v=N` maps to levels below DEBUG: `V(4)` is on when the component runs with `--v=4`.
Upstream: k8s.io/klog/v2.
"""

import logging
import os
import sys
from typing import Any, TextIO

import msgspec

_LETTERS = {logging.DEBUG: "I", logging.INFO: "I", logging.WARNING: "W", logging.ERROR: "E", logging.CRITICAL: "F"}
ROOT = "pybernetes"


def get(component: str) -> logging.Logger:
    """The logger of a component or module (`get("kubelet")`); children with dots."""
    return logging.getLogger(component if component.startswith(ROOT) else f"{ROOT}.{component}")


def kv(**fields: Any) -> dict[str, dict[str, Any]]:
    """Structured fields for one line: `logger.info("bound", extra=kv(pod=key, node=name))`."""
    return {"kv": fields}


def verbosity(level: int) -> int:
    """The logging level of klog's `V(level)`: V(0) is INFO, each step one less."""
    return logging.INFO - level


class KlogFormatter(logging.Formatter):
    """`I1123 22:36:43.123456    4711 replicaset.py:120] "message" pod="ns/name"`."""

    def format(self, record: logging.LogRecord) -> str:
        """One line; a traceback follows on lines of its own."""
        letter = _LETTERS.get(record.levelno, "I" if record.levelno < logging.INFO else "E")
        stamp = self.formatTime(record, "%m%d %H:%M:%S")
        micros = int(record.created % 1 * 1_000_000)
        line = f"{letter}{stamp}.{micros:06d} {os.getpid():>7} {record.filename}:{record.lineno}] {record.getMessage()}"
        for key, value in getattr(record, "kv", {}).items():
            line += f' {key}="{value}"'
        if record.exc_info:
            line += "\n" + self.formatException(record.exc_info)
        return line


class JsonFormatter(logging.Formatter):
    """One JSON object a line: ts, level, logger, caller, msg, and the structured fields."""

    def format(self, record: logging.LogRecord) -> str:
        """One line of JSON."""
        line: dict[str, Any] = {
            "ts": record.created,
            "level": record.levelname.lower(),
            "logger": record.name,
            "caller": f"{record.filename}:{record.lineno}",
            "msg": record.getMessage(),
        }
        line.update({key: str(value) for key, value in getattr(record, "kv", {}).items()})
        if record.exc_info:
            line["trace"] = self.formatException(record.exc_info)
        return msgspec.json.encode(line).decode()


def configure(*, level: int = 0, stream: TextIO | None = None, as_json: bool = False) -> None:
    """Send every component's lines of `V(level)` and above to `stream` (standard error by default)."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonFormatter() if as_json else KlogFormatter())
    root = logging.getLogger(ROOT)
    root.handlers[:] = [handler]
    root.setLevel(verbosity(level))
    root.propagate = False
