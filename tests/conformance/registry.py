"""A registry of the suite's images for the nodes: some specs insist on pulling. It reads the OCI archive."""

from __future__ import annotations

import contextlib
import http.server
import json
import pathlib
import tarfile
import threading
import urllib.parse
from collections.abc import Iterator

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
HOSTS = """server = "{url}"

[host."{url}"]
  capabilities = ["pull", "resolve"]
"""


class Images:
    """What is in an OCI archive, by digest and by name."""

    def __init__(self, archive: pathlib.Path) -> None:
        self.archive = archive
        self._places: dict[str, tuple[int, int]] = {}
        with tarfile.open(archive) as tar:
            for member in tar:
                algorithm, _, digest = member.name.removeprefix("blobs/").partition("/")
                self._places[f"{algorithm}:{digest}" if digest else member.name] = (member.offset_data, member.size)
        listed = json.loads(self.read("index.json") or b"{}")["manifests"]
        self.names = {one["annotations"]["io.containerd.image.name"]: one["digest"] for one in listed}

    def read(self, name: str) -> bytes | None:
        """A file of the archive, or a blob by its digest."""
        if name not in self._places:
            return None
        offset, size = self._places[name]
        with self.archive.open("rb") as file:
            file.seek(offset)
            return file.read(size)

    def find(self, path: str, registry: str) -> tuple[str, bytes] | None:
        """Digest and content of what a registry serves at a path below /v2/."""
        repository, kind, reference = path.rsplit("/", 2)
        if kind == "manifests" and ":" not in reference:
            reference = self.names.get(f"{registry}/{repository}:{reference}", "")
        content = self.read(reference)
        return None if content is None else (reference, content)


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    images: Images

    def do_GET(self) -> None:
        url = urllib.parse.urlsplit(self.path)
        path = url.path.removeprefix("/v2/")
        registry = dict(urllib.parse.parse_qsl(url.query)).get("ns", "")
        found = ("", b"{}") if not path else self.images.find(path, registry) if path.count("/") > 1 else None
        self.send_response(404 if found is None else 200)
        digest, content = found or ("", b"")
        kind = MANIFEST if "/manifests/" in path else "application/octet-stream"
        for name, value in (("Content-Type", kind), ("Content-Length", str(len(content)))):
            self.send_header(name, value)
        if digest:
            self.send_header("Docker-Content-Digest", digest)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)

    do_HEAD = do_GET

    def log_message(self, *_: object) -> None:
        """Nothing: containerd's log tells of pulls."""


@contextlib.contextmanager
def serving(archive: pathlib.Path, address: str, runtimes: list[pathlib.Path]) -> Iterator[None]:
    """Meanwhile every registry is this one, for the containerds with those folders."""
    handler = type("Handler", (_Handler,), {"images": Images(archive)})
    with http.server.ThreadingHTTPServer((address, 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        for folder in runtimes:
            place = folder / "certs.d" / "_default"
            place.mkdir(parents=True, exist_ok=True)
            (place / "hosts.toml").write_text(HOSTS.format(url=f"http://{address}:{server.server_port}"))
        try:
            yield
        finally:
            server.shutdown()
