"""Recorded conversations: how they are written down, sent to a server, and made comparable.

A case file is a YAML list. An error case:

    - name: pod-name-uppercase
      setup: [OBJECT, ...]         # created before (with their status), deleted after; optional
      wait: 0.5                    # seconds between set-up and request; optional
      method: POST
      path: /api/v1/namespaces/golden/pods
      headers: {NAME: VALUE}       # optional
      contentType: application/json
      body: OBJECT                 # or a string, sent as it is; `base64` instead: bytes
      certificate: SORT            # shown instead of the token, see `credentials.py`; optional
      expect: {code: 422, status: STATUS}

`expect` holds the code and one of `status` (a Status), `object` (other JSON), `stream` (a list of watch events) or
`text`, and `warnings` if there were Warning headers. A patch case has `original` (created first), `patch` in place of
`body`, and `stored`, the original as the server stored it. In bodies, paths and patches `${uid}` and
`${resourceVersion}` stand for those of the last object set up, `${x*300}` for 300 times x, `${token:SORT}` for a token
of `credentials.py`; a header without value is not sent. A case with `raw` sends these texts as they are on a connection
of its own (`pause` seconds between them, `half_close` after the last) and expects an answer or `closed: true`. What
differs from run to run reads `<uid>`, `<time>`, `<version>` and so on.
"""

from __future__ import annotations

import base64
import copy
import http.client
import json
import os
import pathlib
import re
import socket
import ssl
import sys
import time
import urllib.parse
from collections.abc import Iterator
from typing import Any

import yaml

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import credentials

NAMESPACE = "golden"
PATCH_TYPES = {
    "strategic": "application/strategic-merge-patch+json",
    "merge": "application/merge-patch+json",
    "json": "application/json-patch+json",
    "apply": "application/apply-patch+yaml",
}
GENERATED = (
    (re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b"), "<uid>"),
    (re.compile(r"\b202[0-9]-[0-9]{2}-[0-9]{2}T[0-9:]{8}(\.[0-9]+)?Z"), "<time>"),
    (re.compile(r"(resource version: )[0-9]+( \()[0-9]+\)"), r"\g<1><version>\g<2><version>)"),
    (re.compile(r"(current: )[0-9]+"), r"\g<1><version>"),
    (re.compile(r'(resourceVersion\\*":\\*")[0-9]+'), r"\g<1><version>"),
    (re.compile(r"\b(kube-api-access-)[bcdfghjklmnpqrstvwxz2-9]{5}\b"), r"\g<1><random>"),
    (re.compile(r"(ResourceVersion in record \()[0-9]+\)"), r"\g<1><version>)"),
)
TOKEN = re.compile(r"\$\{token:([a-z-]+)\}")
REPEATED = re.compile(r"\$\{([^}]+)\*([0-9]+)\}")
BRIEF = ("malformed", "rules")
QUOTED = 'Invalid value: "{\\"'
SERVER_FIELDS = ("uid", "creationTimestamp", "resourceVersion", "selfLink", "managedFields")


class Server:
    """A Kubernetes API server: one kept connection, bearer token, plain dictionaries."""

    def __init__(self, url: str, ca: pathlib.Path, token: str) -> None:
        self.url = url
        self.token = token
        self.folder = ca.parent
        self._context = ssl.create_default_context(cafile=str(ca))
        parts = urllib.parse.urlsplit(url)
        self._host = parts.hostname or ""
        self._port = parts.port or 443
        self._connection = self._connect()
        self._resources: dict[tuple[str, str], tuple[str, bool]] = {}

    def close(self) -> None:
        """Ends the connection."""
        self._connection.close()

    @classmethod
    def from_kubeconfig(cls, path: pathlib.Path) -> Server:
        """The server of a kubeconfig with one cluster and a token."""
        config = yaml.safe_load(path.read_text())
        cluster = config["clusters"][0]["cluster"]
        if "certificate-authority" in cluster:
            authority = pathlib.Path(cluster["certificate-authority"])
        else:
            authority = path.with_suffix(".ca")
            authority.write_bytes(base64.b64decode(cluster["certificate-authority-data"]))
        return cls(cluster["server"], authority, config["users"][0]["user"]["token"])

    def _connect(self) -> http.client.HTTPSConnection:
        return http.client.HTTPSConnection(self._host, self._port, timeout=20, context=self._context)

    def send(
        self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> tuple[int, http.client.HTTPMessage, bytes]:
        """One request, tried again once if the kept connection has been closed meanwhile."""
        sent = {"Authorization": f"Bearer {self.token}", "Accept": "application/json", **(headers or {})}
        for attempt in (0, 1):
            try:
                self._connection.request(method, path, body, {name: value for name, value in sent.items() if value})
                answer = self._connection.getresponse()
                return answer.status, answer.headers, answer.read()
            except TimeoutError:
                self._connection.close()
                self._connection = self._connect()
                raise
            except (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError):
                self._connection.close()
                self._connection = self._connect()
                if attempt:
                    raise
        raise AssertionError("unreachable")

    def send_as(self, sort: str, method: str, path: str) -> tuple[int, http.client.HTTPMessage, bytes]:
        """One request on a connection that shows that certificate and no token."""
        context = ssl.create_default_context(cafile=str(self.folder / "ca.crt"))
        context.load_cert_chain(credentials.certificate(self.folder, sort))
        connection = http.client.HTTPSConnection(self._host, self._port, timeout=20, context=context)
        try:
            connection.request(method, path, headers={"Accept": "application/json"})
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()
        finally:
            connection.close()

    def send_raw(
        self, pieces: list[bytes], pause: float, half_close: bool
    ) -> tuple[int, http.client.HTTPMessage, bytes] | None:
        """Bytes as they are; None if the connection ends without an answer."""
        with (
            socket.create_connection((self._host, self._port), 20) as plain,
            self._context.wrap_socket(plain, server_hostname=self._host) as made,
        ):
            try:
                for piece in pieces:
                    made.sendall(piece)
                    time.sleep(pause)
                if half_close:
                    # No close_notify: what TLS calls a truncation, as when a client's machine is gone.
                    plain_end = socket.socket(fileno=os.dup(made.fileno()))
                    plain_end.shutdown(socket.SHUT_WR)
                    plain_end.close()
                answer = http.client.HTTPResponse(made)
                answer.begin()
                return answer.status, answer.headers, answer.read()
            except (http.client.HTTPException, OSError):
                return None

    def json(
        self, method: str, path: str, value: object = None, content: str = "application/json", accept: str = ""
    ) -> tuple[int, Any]:
        """One request with JSON both ways."""
        headers = {"Content-Type": content} if value is not None else {}
        if accept:
            headers["Accept"] = accept
        code, _, answer = self.send(method, path, None if value is None else json.dumps(value).encode(), headers)
        return code, json.loads(answer) if answer.startswith((b"{", b"[")) else answer.decode()

    def collection(self, item: dict[str, Any]) -> str:
        """The path of the collection an object belongs to."""
        version = item["apiVersion"]
        prefix = f"/apis/{version}" if "/" in version else f"/api/{version}"
        key = (version, item["kind"])
        if key not in self._resources:
            code, found = self.json("GET", prefix)
            if code != 200:
                raise LookupError(f"{prefix}: {code}")
            for one in found["resources"]:
                if "/" not in one["name"] and "group" not in one:
                    self._resources[(version, one["kind"])] = (one["name"], one["namespaced"])
        plural, namespaced = self._resources[key]
        if not namespaced:
            return f"{prefix}/{plural}"
        return f"{prefix}/namespaces/{item['metadata'].get('namespace', NAMESPACE)}/{plural}"

    def create(self, item: dict[str, Any], status: bool = True) -> dict[str, Any]:
        """Creates an object that a case needs, then its status; LookupError with the answer if that fails."""
        code, found = self.json("POST", self.collection(item), item)
        if code != 201:
            raise LookupError(f"set-up of {item['kind']} {item['metadata'].get('name')}: {code} {found}")
        created: dict[str, Any] = found
        if status and "status" in item and "status" in created:
            path = f"{self.collection(item)}/{created['metadata']['name']}/status"
            code, found = self.json("PATCH", path, {"status": item["status"]}, PATCH_TYPES["merge"])
            created = found if code == 200 else created
        return created

    def remove(self, item: dict[str, Any]) -> None:
        """Deletes an object at once, finalizers or not; does nothing if it is gone."""
        path = f"{self.collection(item)}/{item['metadata']['name']}"
        options = {"gracePeriodSeconds": 0, "propagationPolicy": "Background"}
        code, _ = self.json("DELETE", path, options)
        if code == 404:
            return
        code, left = self.json("GET", path)
        if code == 200 and left["metadata"].get("finalizers"):
            self.json("PATCH", path, {"metadata": {"finalizers": None}}, PATCH_TYPES["merge"])
        if code == 200 and left["kind"] == "Namespace":
            left["spec"] = {"finalizers": []}
            self.json("PUT", f"{path}/finalize", left)

    def ensure_namespace(self, name: str = NAMESPACE) -> None:
        """The namespace of all cases, with the default service account that pods need."""
        self.json("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
        self.json("POST", f"/api/v1/namespaces/{name}/serviceaccounts", {"metadata": {"name": "default"}})


def normalise(value: Any) -> Any:
    """Replaces what differs from run to run; the members of an object quoted in a message are sorted."""
    if isinstance(value, str):
        for pattern, replacement in GENERATED:
            value = pattern.sub(replacement, value)
        at = value.find(QUOTED)
        if at >= 0:
            start = at + len(QUOTED) - 4
            text, end = json.JSONDecoder().raw_decode(value, start)
            value = value[:start] + json.dumps(json.dumps(json.loads(text), sort_keys=True)) + value[end:]
        return value
    if isinstance(value, list):
        return [normalise(one) for one in value]
    if isinstance(value, dict):
        return {normalise(name): normalise(one) for name, one in value.items()}
    return value


def strip(item: dict[str, Any]) -> dict[str, Any]:
    """An object without what the server generates: uid, times, versions, owners of fields, addresses, ports."""
    item = copy.deepcopy(item)
    metadata = item.get("metadata")
    if isinstance(metadata, dict):
        for name in SERVER_FIELDS:
            metadata.pop(name, None)
    if item.get("kind") == "Service":
        _strip_service(item["spec"])
    if item.get("kind") == "Table":
        for row in item.get("rows") or []:
            row["cells"] = [cell(one) for one in row["cells"]]
            row["object"] = strip(row["object"])
    return dict(normalise(item))


def cell(value: Any) -> Any:
    """A Table cell without age, allocated address and allocated port."""
    if not isinstance(value, str):
        return value
    value = re.sub(r"^[0-9]+s$", "<age>", value)
    value = re.sub(r"^10\.96\.[0-9.]+$", "<address>", value)
    return normalise(re.sub(r":3[0-9]{4}/", ":<port>/", value))


def _strip_service(spec: dict[str, Any]) -> None:
    if spec.get("clusterIP") not in (None, "None", ""):
        spec["clusterIP"] = "<address>"
        spec["clusterIPs"] = ["<address>"]
    for port in spec.get("ports") or []:
        if port.get("nodePort"):
            port["nodePort"] = "<port>"
    if spec.get("healthCheckNodePort"):
        spec["healthCheckNodePort"] = "<port>"


def _fill(value: Any, last: dict[str, Any], server: Server) -> Any:
    if isinstance(value, str):
        metadata = last.get("metadata", {})
        value = REPEATED.sub(lambda found: found[1] * int(found[2]), value)
        value = TOKEN.sub(lambda found: credentials.token(server.folder, found[1], last), value)
        value = value.replace("${admin}", server.token)
        value = value.replace("${uid}", metadata.get("uid", ""))
        return value.replace("${resourceVersion}", metadata.get("resourceVersion", ""))
    if isinstance(value, list):
        return [_fill(one, last, server) for one in value]
    if isinstance(value, dict):
        return {name: _fill(one, last, server) for name, one in value.items()}
    return value


def _answer(code: int, headers: http.client.HTTPMessage, body: bytes, prefix: str) -> dict[str, Any]:
    result: dict[str, Any] = {"code": code}
    text = body.decode(errors="replace")
    if prefix:
        text = re.sub(rf"({re.escape(prefix[:58])})[bcdfghjklmnpqrstvwxz2-9]{{5}}\b", r"\g<1><random>", text)
    content = headers.get("Content-Type", "")
    if content.startswith("application/json") and text.startswith(("{", "[")):
        lines = [json.loads(line) for line in text.splitlines() if line.strip()] if "\n{" in text else []
        value = json.loads(text) if not lines else None
        if isinstance(value, dict) and value.get("kind") == "Status":
            result["status"] = normalise(value)
        elif lines or (isinstance(value, dict) and set(value) == {"type", "object"}):
            result["stream"] = [{"type": one["type"], "object": strip(one["object"])} for one in (lines or [value])]
        elif isinstance(value, dict):
            result["object"] = strip(value)
    else:
        result["text"] = normalise(text)
        result["contentType"] = content
    warnings = headers.get_all("Warning")
    if warnings:
        result["warnings"] = [normalise(one) for one in warnings]
    return result


def brief(answer: dict[str, Any]) -> dict[str, Any]:
    """What counts of an answer to a malformed request: code, reason, message, warnings; of others' data nothing."""
    found = answer["expect"]
    status = found.get("status", {})
    kept = {name: status[name] for name in ("reason", "message") if name in status}
    return {"expect": {name: found[name] for name in ("code", "closed", "text", "warnings") if name in found} | kept}


def write(path: pathlib.Path, written: list[dict[str, Any]]) -> None:
    """Cases as they stand in a file: malformed requests one a line."""
    if path.stem.startswith(BRIEF):
        path.write_text("".join(f"- {dump(case, flow=True)}" for case in written))
        return
    path.write_text("\n".join(dump([case]) for case in written))


def run_case(server: Server, case: dict[str, Any]) -> dict[str, Any]:
    """Sets one case up, sends its request, cleans up; returns what `expect` (and `stored`) should hold."""
    done: list[dict[str, Any]] = []
    originals = [case["original"]] if "original" in case else []
    last: dict[str, Any] = {}
    result: dict[str, Any] = {}
    try:
        for item in [*case.get("setup", []), *originals]:
            server.remove(item)
            last = server.create(item)
            done.append(last)
        if originals:
            result["stored"] = strip(last)
        time.sleep(case.get("wait", 0))
        result["expect"] = _send_case(server, case, last)
        created = result["expect"].get("object")
        if result["expect"].get("code") == 201 and created and "name" in created.get("metadata", {}):
            done.append(created)
    finally:
        for item in reversed(done):
            server.remove(item)
    return result


def _send_case(server: Server, case: dict[str, Any], last: dict[str, Any]) -> dict[str, Any]:
    if "raw" in case:
        pieces = [_fill(piece, last, server).encode() for piece in case["raw"]]
        given = server.send_raw(pieces, case.get("pause", 0), case.get("half_close", False))
        return {"closed": True} if given is None else _answer(*given, "")
    headers = dict(case.get("headers") or {})
    path = case.get("path")
    if path is None:
        path = f"{server.collection(last)}/{last['metadata']['name']}"
        path += f"/{case['subresource']}" if "subresource" in case else ""
        path += f"?{case['query']}" if "query" in case else ""
    value = case.get("patch", case.get("body"))
    if "certificate" in case:
        try:
            return _answer(*server.send_as(case["certificate"], case.get("method", "GET"), case["path"]), "")
        except (OSError, http.client.HTTPException):
            return {"closed": True}
    body = base64.b64decode(case["base64"]) if "base64" in case else None
    if value is not None:
        value = _fill(value, last, server)
        body = (value if isinstance(value, str) else json.dumps(value)).encode()
    content = PATCH_TYPES[case["type"]] if "type" in case else case.get("contentType")
    if content:
        headers["Content-Type"] = content
    method = case.get("method", "PATCH" if "type" in case else "GET")
    code, answered, text = server.send(method, _fill(path, last, server), body, _fill(headers, last, server))
    facts = value.get("metadata") if isinstance(value, dict) else None
    prefix = facts.get("generateName", "") if isinstance(facts, dict) else ""
    return _answer(code, answered, text, prefix)


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True


def _represent_string(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    style = "|" if "\n" in value and not value.startswith((" ", "\n")) else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


_Dumper.add_representer(str, _represent_string)


def dump(value: Any, *, flow: bool = False) -> str:
    """YAML in the key order given, long lines kept."""
    return str(
        yaml.dump(value, Dumper=_Dumper, sort_keys=False, width=10**9, allow_unicode=True, default_flow_style=flow)
    )


def load(path: pathlib.Path) -> Any:
    """One YAML document."""
    return yaml.load(path.read_text(), Loader=yaml.CSafeLoader)


def case_files(folder: pathlib.Path, names: list[str]) -> Iterator[pathlib.Path]:
    """The case files of a folder, all or those named (without .yaml)."""
    for path in sorted(folder.glob("*.yaml")):
        if not names or path.stem in names:
            yield path
