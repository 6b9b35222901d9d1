"""A registry on loopback that serves the demo image to whoever has the password."""

import base64
import http.server
import io
import json
import tarfile
import threading
from typing import Any

from pybernetes.cluster import images


class PrivateRegistry:
    """One image behind basic authentication. Upstream: the OCI distribution API, its read half."""

    def __init__(self, user: str, password: str) -> None:
        credentials = base64.b64encode(f"{user}:{password}".encode()).decode()
        files: dict[str, bytes] = {}

        class Handler(http.server.BaseHTTPRequestHandler):
            """Answers /v2/, /v2/demo/manifests/..., /v2/demo/blobs/...."""

            def do_GET(self) -> None:
                if self.headers.get("Authorization") != f"Basic {credentials}":
                    self._answer(401, b"{}", **{"WWW-Authenticate": 'Basic realm="private"'})
                    return
                name = self.path.rpartition("/")[2].removeprefix("sha256:")
                body = files.get(name, b"")
                about = {"Docker-Content-Digest": f"sha256:{name if len(name) == 64 else files['digest'].decode()}"}
                if "/manifests/" in self.path:
                    about["Content-Type"] = "application/vnd.oci.image.manifest.v1+json"
                self._answer(200 if body or name == "" else 404, body, **about)

            do_HEAD = do_GET

            def _answer(self, code: int, body: bytes, **headers: str) -> None:
                self.send_response(code)
                for name, value in {"Content-Length": str(len(body)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                if self.command == "GET":
                    self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"127.0.0.1:{self._server.server_address[1]}"
        self.image = f"{self.address}/demo:1"
        with tarfile.open(fileobj=io.BytesIO(images.archive([images.demo_image(self.image)]))) as archive:
            members = {member.name: archive.extractfile(member) for member in archive if member.isfile()}
            files.update({name.rpartition("/")[2]: file.read() for name, file in members.items() if file is not None})
        digest = json.loads(files["index.json"])["manifests"][0]["digest"].removeprefix("sha256:")
        files |= {"digest": digest.encode(), "1": files[digest]}
        self._thread = threading.Thread(target=self._server.serve_forever)

    def __enter__(self) -> "PrivateRegistry":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
