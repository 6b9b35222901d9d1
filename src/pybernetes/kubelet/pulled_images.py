"""Who may use an image that is on this node: whoever has credentials with which it was pulled.

An image that the kubelet did not pull (a preloaded one) is for every pod; one that it pulled without credentials, too.
The record outlives the kubelet; an image whose pull was under way when it died belongs to nobody until pulled again.

Upstream: pkg/kubelet/images/pullmanager.
"""

import dataclasses
import hashlib
import json
import pathlib
from collections.abc import Collection, Iterable

from pybernetes.kubelet.cri import runtime


@dataclasses.dataclass(frozen=True, slots=True)
class Credential:
    """What a pod may pull with, and the Secret it comes from."""

    auth: runtime.Auth
    uid: str = ""
    namespace: str = ""
    name: str = ""

    @property
    def marks(self) -> tuple[str, str]:
        """Equal for the same Secret; equal for the same content."""
        digest = hashlib.sha256(json.dumps(dataclasses.astuple(self.auth)).encode()).hexdigest()
        return f"secret {self.uid} {self.namespace}/{self.name}", f"hash {digest}"


class PulledImages:
    """What is known of pulls; without a file it is forgotten at the end."""

    def __init__(self, file: pathlib.Path | None = None) -> None:
        self._file = file
        self._pulled: dict[str, dict[str, list[str]]] = {}
        """image id → repository → marks of credentials; no marks: everybody may"""
        self._pulling: dict[str, int] = {}
        self._absent: set[str] = set()
        if file is not None and file.exists():
            content = json.loads(file.read_text(encoding="utf-8"))
            self._pulled, self._pulling = content["pulled"], content["pulling"]

    def begin(self, image: str) -> None:
        """A pull begins."""
        self._pulling[image] = self._pulling.get(image, 0) + 1
        self._save()

    def end(self, image: str, reference: str = "", credential: Credential | None = None) -> None:
        """A pull has ended; `reference` is the image it brought, if it did."""
        left = self._pulling.pop(image, 0) - 1  # none when another pull of it has succeeded meanwhile
        if left > 0 and not reference:
            self._pulling[image] = left
        if reference:
            by_repository = self._pulled.setdefault(reference, {})
            known = by_repository.get(repository(image))
            if credential is None or known == []:
                by_repository[repository(image)] = []
            else:
                by_repository[repository(image)] = list(dict.fromkeys((*(known or ()), *credential.marks)))
        self._save()

    def may_use(self, image: str, reference: str, credentials: Iterable[Credential]) -> bool:
        """Whether a pod with those credentials may use what is here without pulling it."""
        record = self._pulled.get(reference)
        if record is None:
            return image not in self._pulling
        marks = record.get(repository(image))
        if marks is None:
            return False
        return not marks or any(mark in marks for one in credentials for mark in one.marks)

    def keep(self, references: Collection[str]) -> None:
        """Forget images that are gone: absent twice, as one may have been pulled while the others were listed."""
        absent = self._pulled.keys() - set(references)
        gone, self._absent = absent & self._absent, absent
        for one in gone:
            del self._pulled[one]
        if gone:
            self._save()

    def _save(self) -> None:
        if self._file is None:
            return
        self._file.parent.mkdir(parents=True, exist_ok=True)
        partial = self._file.with_name(f"{self._file.name}.partial")
        partial.write_text(json.dumps({"pulled": self._pulled, "pulling": self._pulling}), encoding="utf-8")
        partial.rename(self._file)


def repository(image: str) -> str:
    """The name without tag and digest."""
    name = image.partition("@")[0]
    head, colon, tag = name.rpartition(":")
    return head if colon and "/" not in tag else name
