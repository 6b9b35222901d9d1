"""The parameters of operations: a row each, and which operation takes which.

Upstream: metav1.ListOptions, CreateOptions and their kin; core/v1 PodLogOptions and its kin. Pure.
"""

from typing import Any

# name: type, where it stands, what it is for
_TABLE: dict[str, tuple[str, str, str]] = {
    "name": ("string", "path", "name of the object"),
    "namespace": ("string", "path", "namespace of the object"),
    "path": ("string", "path", "what follows in the path is handed on"),
    "pretty": ("string", "query", "write the answer with line breaks and indentation if true"),
    "allowWatchBookmarks": ("boolean", "query", "let a watch send BOOKMARK events, which only tell how far it is"),
    "continue": ("string", "query", "the token by which the previous answer said where to go on"),
    "fieldSelector": ("string", "query", "only objects whose fields match"),
    "labelSelector": ("string", "query", "only objects whose labels match"),
    "limit": ("integer", "query", "at most so many objects in one answer"),
    "resourceVersion": ("string", "query", "how fresh the answer must be"),
    "resourceVersionMatch": ("string", "query", "how resourceVersion is meant: Exact or NotOlderThan"),
    "sendInitialEvents": ("boolean", "query", "let a watch begin with the present state as ADDED events"),
    "shardSelector": ("string", "query", "only objects of a part of the hash space"),
    "timeoutSeconds": ("integer", "query", "end a list or watch after so many seconds"),
    "watch": ("boolean", "query", "stream changes instead of answering once"),
    "dryRun": ("string", "query", "All: do everything but store the result"),
    "fieldManager": ("string", "query", "the name under which changed fields are recorded as managed"),
    "fieldValidation": ("string", "query", "what to do about unknown and repeated fields: Ignore, Warn or Strict"),
    "force": ("boolean", "query", "let apply take fields that other managers own"),
    "gracePeriodSeconds": ("integer", "query", "how long the object may take to end; 0 is at once"),
    "ignoreStoreReadErrorWithClusterBreakingPotential": (
        "boolean",
        "query",
        "delete the object although it cannot be read from storage; nothing runs that deletion should wait for",
    ),
    "orphanDependents": ("boolean", "query", "the old form of propagationPolicy: Orphan"),
    "propagationPolicy": ("string", "query", "what becomes of dependents: Orphan, Background or Foreground"),
    "command": ("string", "query", "the command to run; once for each of its words"),
    "container": ("string", "query", "which container of the pod"),
    "stderr": ("boolean", "query", "connect standard error"),
    "stdin": ("boolean", "query", "connect standard input"),
    "stdout": ("boolean", "query", "connect standard output"),
    "tty": ("boolean", "query", "give the process a terminal"),
    "ports": ("integer", "query", "the ports to forward"),
    "follow": ("boolean", "query", "go on with lines as they are written"),
    "insecureSkipTLSVerifyBackend": ("boolean", "query", "do not check the certificate of the kubelet"),
    "limitBytes": ("integer", "query", "end after so many bytes"),
    "previous": ("boolean", "query", "the log of the container's previous instance"),
    "sinceSeconds": ("integer", "query", "only lines of the last so many seconds"),
    "stream": ("string", "query", "which stream: All, Stdout or Stderr"),
    "tailLines": ("integer", "query", "only so many lines from the end"),
    "timestamps": ("boolean", "query", "put its time before each line"),
}
# The same name in the query: where a proxied request goes.
_QUERY_PATH = ("string", "query", "the path to ask the target for")

LIST = (
    "allowWatchBookmarks",
    "continue",
    "fieldSelector",
    "labelSelector",
    "limit",
    "resourceVersion",
    "resourceVersionMatch",
    "sendInitialEvents",
    "shardSelector",
    "timeoutSeconds",
    "watch",
)
WRITE = ("dryRun", "fieldManager", "fieldValidation")
PATCH = (*WRITE, "force")
DELETE = (
    "dryRun",
    "gracePeriodSeconds",
    "ignoreStoreReadErrorWithClusterBreakingPotential",
    "orphanDependents",
    "propagationPolicy",
)
DELETE_COLLECTION = tuple(sorted({*DELETE, *LIST} - {"allowWatchBookmarks", "watch"}))
# By the kind of the subresource's options.
CONNECT: dict[str, tuple[str, ...]] = {
    "PodAttachOptions": ("container", "stderr", "stdin", "stdout", "tty"),
    "PodExecOptions": ("command", "container", "stderr", "stdin", "stdout", "tty"),
    "PodPortForwardOptions": ("ports",),
    "PodProxyOptions": ("?path",),
    "ServiceProxyOptions": ("?path",),
    "NodeProxyOptions": ("?path",),
}
LOG = (
    "container",
    "follow",
    "insecureSkipTLSVerifyBackend",
    "limitBytes",
    "previous",
    "sinceSeconds",
    "stream",
    "tailLines",
    "timestamps",
)


def parameter(name: str) -> dict[str, Any]:
    """A parameter as OpenAPI v3 writes it; `?path` is the query's path."""
    kind, place, description = _QUERY_PATH if name == "?path" else _TABLE[name]
    written: dict[str, Any] = {"name": name.removeprefix("?"), "in": place, "description": description}
    if place == "path":
        written["required"] = True
    written["schema"] = {"type": kind, "uniqueItems": True}
    return written
