"""Lists the members of Kubernetes' internal pod and claim types, whose Go names some error messages show.

    python scripts/internal_structs.py ~/go/pkg/mod > src/pybernetes/api/validation/internal_structs.txt

One struct a line: its name, then `GoName:jsonName:type` for each member, in Go's order; embedded structs have no names.
"""

import pathlib
import re
import sys

ROOTS = ("PodTemplateSpec", "PersistentVolumeClaimSpec", "PersistentVolumeSource", "EphemeralContainer", "Taint")
STRUCT = re.compile(r"^type (\w+) struct \{\n(.*?)^\}", re.MULTILINE | re.DOTALL)
ALIAS = re.compile(r"^type (\w+) (string|int32|int64|map\[\w+\][\w.]+)$", re.MULTILINE)
MEMBER = re.compile(r"^\t(\w+)[ \t]+([\w.\[\]*]+)([ \t]+`.*`)?([ \t]*//.*)?$")
EMBEDDED = re.compile(r"^\t([\w.]+)([ \t]+`.*`)?([ \t]*//.*)?$")
TAG = re.compile(r'json:"([^",]*)')


def structs(text: str) -> dict[str, list[tuple[str, str, str]]]:
    """Members (Go name, JSON name, type) of every struct."""
    found = {}
    for name, body in STRUCT.findall(text):
        members = []
        for line in body.splitlines():
            member, embedded = MEMBER.match(line), EMBEDDED.match(line)
            if member:
                tag = TAG.search(member[3] or "")
                members.append((member[1], tag[1] if tag else "", member[2]))
            elif embedded:
                members.append(("", "", embedded[1]))
        found[name] = members
    return found


def main(modules: pathlib.Path) -> None:
    """Prints the structs that the roots reach."""
    internal = next(modules.glob("k8s.io/kubernetes@*/pkg/apis/core/types.go")).read_text()
    served = structs(next(modules.glob("k8s.io/api@v0.37*/core/v1/types.go")).read_text())
    known, aliases = structs(internal), dict(ALIAS.findall(internal))
    waiting, done = list(ROOTS), {}
    while waiting:
        name = waiting.pop()
        if name in done or name not in known:
            continue
        json_names = {go: json for go, json, _ in served.get(name, ())}
        members = []
        for go, _, kind in known[name]:
            inner = kind.lstrip("*[]")
            kind = kind.replace(inner, aliases.get(inner, inner))
            guess = go[:1].lower() + go[1:]
            members.append(f"{go}:{json_names.get(go, guess)}:{kind}" if go else f"::{kind}")
            waiting.append(kind.split("]")[-1].lstrip("*"))
        done[name] = members
    for name in sorted(done):
        print(name, *done[name])


main(pathlib.Path(sys.argv[1]))
