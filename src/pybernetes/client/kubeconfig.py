"""Where the server is and who we are, from kubeconfig files; and our own entries in them.

Reading merges the files of `--kubeconfig` or `$KUBECONFIG` or `~/.kube/config` as kubectl does: the first file that
names a cluster, user or context wins, the first current-context wins, relative paths are relative to their file.

Writing touches only entries that carry our mark (an extension named `pybernetes`): an entry of the same name without it
belongs to somebody else and is never changed. The file is replaced in one step, mode 0600.

Upstream: client-go/tools/clientcmd.
"""

import base64
import contextlib
import dataclasses
import os
import pathlib
import tempfile
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from pybernetes.client import credentials, exec_credentials, simple_yaml

MARK = "pybernetes"
_LISTS = {"clusters": "cluster", "users": "user", "contexts": "context"}
_FILES = {
    "clusters": ("certificate-authority",),
    "users": ("client-certificate", "client-key", "tokenFile"),
    "contexts": (),
}
Entry = dict[str, Any]


class KubeconfigError(Exception):
    """The configuration cannot be used; the text is upstream's where upstream has one."""


class ForeignEntry(KubeconfigError):
    """An entry of that name exists and is not ours."""


@dataclasses.dataclass(slots=True)
class Kubeconfig:
    """The merged content of the files."""

    clusters: dict[str, Entry] = dataclasses.field(default_factory=dict)
    users: dict[str, Entry] = dataclasses.field(default_factory=dict)
    contexts: dict[str, Entry] = dataclasses.field(default_factory=dict)
    current_context: str = ""

    def credentials(
        self, *, context: str = "", cluster: str = "", user: str = "", namespace: str = "", server: str = ""
    ) -> credentials.Credentials:
        """Server and identity of a context (or the current one), parts of it replaced."""
        name = context or self.current_context
        if name and name not in self.contexts:
            raise KubeconfigError(f'context "{name}" does not exist')
        chosen = self.contexts.get(name, {})
        cluster, user = cluster or chosen.get("cluster", ""), user or chosen.get("user", "")
        if cluster and cluster not in self.clusters:
            raise KubeconfigError(f'cluster "{cluster}" does not exist')
        if user and user not in self.users:
            raise KubeconfigError(f'auth info "{user}" does not exist')
        return _credentials(
            self.clusters.get(cluster, {}),
            self.users.get(user, {}),
            namespace or chosen.get("namespace") or "default",
            server,
        )


def _credentials(cluster: Entry, user: Entry, namespace: str, server: str) -> credentials.Credentials:
    if "exec" in user:
        user = {**user, **exec_credentials.run(user["exec"], cluster)}
    return credentials.Credentials(
        server=server or cluster.get("server") or "http://localhost:8080",
        ca_data=_decoded(cluster, "certificate-authority-data"),
        ca_file=cluster.get("certificate-authority", ""),
        cert_data=_decoded(user, "client-certificate-data"),
        cert_file=user.get("client-certificate", ""),
        key_data=_decoded(user, "client-key-data"),
        key_file=user.get("client-key", ""),
        token=user.get("token", ""),
        token_file=user.get("tokenFile", ""),
        username=user.get("username", ""),
        password=user.get("password", ""),
        server_name=cluster.get("tls-server-name", ""),
        insecure=bool(cluster.get("insecure-skip-tls-verify", False)),
        impersonate_user=user.get("as", ""),
        impersonate_groups=tuple(user.get("as-groups") or ()),
        namespace=namespace,
    )


def _decoded(entry: Entry, field: str) -> bytes:
    try:
        return base64.b64decode(entry.get(field) or "")
    except ValueError as error:
        raise KubeconfigError(f"{field}: {error}") from error


def paths(explicit: str = "", environ: Mapping[str, str] | None = None) -> list[pathlib.Path]:
    """The files to read, in order of precedence; the first is the one to write to."""
    environ = os.environ if environ is None else environ
    if explicit:
        return [pathlib.Path(explicit)]
    if listed := environ.get("KUBECONFIG"):
        found = [pathlib.Path(part) for part in listed.split(os.pathsep) if part]
        return [*dict.fromkeys(found)]
    home = environ.get("HOME")
    return [(pathlib.Path(home) if home else pathlib.Path.home()) / ".kube" / "config"]


def load(explicit: str = "", environ: Mapping[str, str] | None = None) -> Kubeconfig:
    """Read and merge; files that do not exist are left out, unless named explicitly."""
    merged = Kubeconfig()
    for path in paths(explicit, environ):
        try:
            content = read(path)
        except FileNotFoundError:
            if explicit:
                raise KubeconfigError(f"stat {path}: no such file or directory") from None
            continue
        merged.current_context = merged.current_context or content.get("current-context") or ""
        for plural, singular in _LISTS.items():
            into: dict[str, Entry] = getattr(merged, plural)
            for named in content.get(plural) or ():
                entry = _absolute(named.get(singular) or {}, _FILES[plural], path.parent)
                into.setdefault(str(named.get("name", "")), entry)
    return merged


def _absolute(entry: Entry, fields: tuple[str, ...], folder: pathlib.Path) -> Entry:
    """File names in the entry, as seen from anywhere."""
    found = {field: str(folder.resolve() / entry[field]) for field in fields if entry.get(field)}
    return {**entry, **found}


def read(path: pathlib.Path) -> dict[str, Any]:
    """The content of one file, as it is."""
    text = path.read_bytes()
    if text.lstrip()[:1] == b"{":
        try:
            content = msgspec.json.decode(text)
        except msgspec.DecodeError as error:
            raise KubeconfigError(f"error loading config file {str(path)!r}: {error}") from error
    else:
        try:
            content = simple_yaml.parse(text.decode("utf-8"))
        except (simple_yaml.NotSimple, UnicodeDecodeError):
            content = _read_yaml(text, path)
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise KubeconfigError(f"error loading config file {str(path)!r}: not a mapping")
    for plural in _LISTS:
        listed = content.get(plural) or []
        if not isinstance(listed, list) or not all(isinstance(named, dict) for named in listed):
            raise KubeconfigError(f"error loading config file {str(path)!r}: {plural} is no list of entries")
    return content


def _read_yaml(text: bytes, path: pathlib.Path) -> Any:
    import yaml  # takes as long as all the rest of the command line's start

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        return yaml.load(text, loader)
    except yaml.YAMLError as error:
        raise KubeconfigError(f'error loading config file "{path}": {error}') from error


@dataclasses.dataclass(frozen=True, slots=True)
class Access:
    """What we write into a kubeconfig for one of our clusters."""

    name: str
    """Of context, cluster and user alike."""
    server: str
    ca_pem: bytes
    cert_pem: bytes = b""
    key_pem: bytes = dataclasses.field(default=b"", repr=False)
    token: str = dataclasses.field(default="", repr=False)
    namespace: str = ""

    def entries(self) -> dict[str, Entry]:
        """The entry of each list."""
        cluster: Entry = {"certificate-authority-data": _encoded(self.ca_pem), "server": self.server}
        user: Entry = {}
        if self.cert_pem:
            user |= {
                "client-certificate-data": _encoded(self.cert_pem),
                "client-key-data": _encoded(self.key_pem),
            }
        if self.token:
            user["token"] = self.token
        context: Entry = {"cluster": self.name, "user": self.name}
        if self.namespace:
            context["namespace"] = self.namespace
        return {"clusters": cluster, "users": user, "contexts": context}


def _encoded(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def write_access(path: pathlib.Path, access: Access, *, make_current: bool = True) -> None:
    """Put our entries into the file, in place of older ones of ours; `ForeignEntry` if the name is somebody else's."""
    with _changing(path) as content:
        previous = content.get("current-context") or ""
        mark = {"name": MARK, "extension": {"previous-context": previous if previous != access.name else ""}}
        for plural, entry in access.entries().items():
            singular = _LISTS[plural]
            listed = content[plural] = [*(content.get(plural) or ())]
            position = _position(listed, access.name, plural)
            named: Entry = {"name": access.name, singular: {**entry, "extensions": [mark]}}
            if position is None:
                listed.append(named)
            else:
                if plural == "contexts" and previous == access.name:
                    named[singular]["extensions"] = listed[position][singular]["extensions"]
                listed[position] = named
        if make_current or not previous:
            content["current-context"] = access.name


def check_access(path: pathlib.Path, name: str) -> None:
    """Raise `KubeconfigError` if entries of that name cannot be written, or are there and somebody else's."""
    path = pathlib.Path(os.path.realpath(path))
    if _lock(path).exists():
        raise KubeconfigError(f"open {_lock(path)}: file exists (another program is changing the kubeconfig)")
    place = next(one for one in path.parents if one.exists())
    if not os.access(place, os.W_OK | os.X_OK):
        raise KubeconfigError(f"open {path}: {place} cannot be written")
    if path.is_dir():
        raise KubeconfigError(f"open {path}: is a directory")
    if path.exists():
        content = read(path)
        for plural in _LISTS:
            _position(content.get(plural) or [], name, plural)


def remove_access(path: pathlib.Path, name: str) -> None:
    """Take our entries of that name out again; go back to the context that was current before, if it is still there."""
    if not path.exists():
        return
    with _changing(path) as content:
        previous = ""
        for plural, singular in _LISTS.items():
            listed = content.get(plural) or []
            position = _position(listed, name, plural)
            if position is not None:
                if plural == "contexts":
                    previous = _mark_of(listed[position][singular]).get("previous-context") or ""
                content[plural] = [*listed[:position], *listed[position + 1 :]]
        if content.get("current-context") == name:
            there = any(one.get("name") == previous for one in content.get("contexts") or ())
            content["current-context"] = previous if there else ""


def _position(listed: list[Entry], name: str, plural: str) -> int | None:
    for position, named in enumerate(listed):
        if named.get("name") == name:
            if not _is_ours(named.get(_LISTS[plural]) or {}):
                raise ForeignEntry(f"the kubeconfig has an entry {name!r} in {plural} that is not ours")
            return position
    return None


def _is_ours(entry: Entry) -> bool:
    return any(one.get("name") == MARK for one in entry.get("extensions") or ())


def _mark_of(entry: Entry) -> Entry:
    found = (one.get("extension") or {} for one in entry.get("extensions") or () if one.get("name") == MARK)
    return next(found, {})


def _lock(path: pathlib.Path) -> pathlib.Path:
    return path.with_name(path.name + ".lock")


@contextlib.contextmanager
def _changing(path: pathlib.Path) -> Iterator[dict[str, Any]]:
    """The content to change; written back in one step if nothing went wrong."""
    path = pathlib.Path(os.path.realpath(path))
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = _lock(path)
    try:
        os.close(os.open(lock, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except FileExistsError:
        raise KubeconfigError(f"open {lock}: file exists (another program is changing the kubeconfig)") from None
    try:
        content = read(path) if path.exists() else {"apiVersion": "v1", "kind": "Config", "preferences": {}}
        before = msgspec.json.encode(content)
        yield content
        if msgspec.json.encode(content) != before:
            _replace(path, content)
    finally:
        lock.unlink()


def _replace(path: pathlib.Path, content: dict[str, Any]) -> None:
    import yaml  # as in reading

    text = yaml.safe_dump(content, sort_keys=False, default_flow_style=False, width=1 << 30)
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=path.parent, delete=False) as file:  # created 0600
        try:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
            if path.exists() and os.geteuid() == 0:
                owner = path.stat()
                os.chown(file.name, owner.st_uid, owner.st_gid)
            os.replace(file.name, path)
        except BaseException:
            os.unlink(file.name)
            raise
