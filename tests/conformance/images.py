"""The images of the conformance suite, put together from Debian's packages and upstream's own programs.

No registry is asked: `e2e.test --list-images` says under which names the suite wants them, `STAND_INS` what stands for
each. One OCI archive holds all of them; the cache keeps it, and what it is made of, until a name changes.
"""

from __future__ import annotations

import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "upstream"))

import build

from pybernetes.cluster import images

File = images.File
PACKAGES = "bash bind9-dnsutils ca-certificates curl iperf iproute2 libcap2-bin netcat-openbsd nginx-light procps socat"
PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
NGINX = b"""daemon off;
error_log stderr;
pid /tmp/nginx.pid;
events {}
http {
  access_log off;
  server { listen 80; listen [::]:80; root /usr/share/nginx/html; index index.html index.nginx-debian.html; }
}
"""
GROUPS = "root:x:0:\nnogroup:x:65534:\n"
ACCOUNTS = "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/home:/bin/false\n"


class Kitchen:
    """Makes layers once and keeps them in a folder."""

    def __init__(self, folder: pathlib.Path, say: Callable[[str], None]) -> None:
        self._folder = folder
        self._say = say
        folder.mkdir(parents=True, exist_ok=True)

    def base(self) -> bytes:
        """A minimal Debian with the tools that the suite calls in agnhost's image."""
        return self._kept("base.tar", self._debootstrap)

    def busybox(self) -> bytes:
        """Busybox as its authors publish it: Debian's build drops variables with a dash from the environment."""
        return self._kept("busybox", self._build_busybox)

    def applets(self) -> list[str]:
        """The commands in it."""
        self.busybox()
        command = [str(self._folder / "busybox"), "--list"]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()

    def _kept(self, name: str, make: Callable[[pathlib.Path], None]) -> bytes:
        path = self._folder / name
        if not path.exists():
            self._say(f"making {name}")
            with tempfile.TemporaryDirectory(dir=self._folder) as scratch:
                make(pathlib.Path(scratch))
                (pathlib.Path(scratch) / name).replace(path)
        return path.read_bytes()

    def _debootstrap(self, scratch: pathlib.Path) -> None:
        root = scratch / "root"
        suite, mirror = debian()
        _run("debootstrap", "--variant=minbase", f"--include={PACKAGES.replace(' ', ',')}", suite, str(root), mirror)
        for waste in ("var/cache/apt", "var/lib/apt/lists", "usr/share/doc", "usr/share/man", "usr/share/locale"):
            shutil.rmtree(root / waste, ignore_errors=True)
        _run(
            "tar",
            "-C",
            str(root),
            "--sort=name",
            "--mtime=@0",
            "--exclude=./dev/*",
            "-cf",
            str(scratch / "base.tar"),
            ".",
        )

    def _build_busybox(self, scratch: pathlib.Path) -> None:
        sources = scratch / "sources"
        (sources / "parts").mkdir(parents=True)
        (sources / "lists").mkdir()
        suite, mirror = debian()
        (sources / "parts" / "debian.list").write_text(f"deb-src {mirror} {suite} main\n")
        options = ["-o", "Dir::Etc::sourcelist=/dev/null", "-o", f"Dir::Etc::sourceparts={sources / 'parts'}"]
        options += ["-o", f"Dir::State::lists={sources / 'lists'}", "-q"]
        _run("apt-get", *options, "update")
        _run("apt-get", *options, "source", "--download-only", "busybox", folder=sources)
        (archive,) = sources.glob("busybox_*.orig.tar.*")
        _run("tar", "-xf", str(archive), "-C", str(scratch))
        (tree,) = (path for path in scratch.glob("busybox-*") if path.is_dir())
        _run("make", "defconfig", folder=tree)
        settings = (tree / ".config").read_text()
        settings = settings.replace("# CONFIG_STATIC is not set", "CONFIG_STATIC=y").replace(
            "CONFIG_TC=y", "# CONFIG_TC is not set"
        )
        (tree / ".config").write_text(settings)
        _run("make", f"-j{os.cpu_count()}", "busybox", folder=tree)
        (tree / "busybox").replace(scratch / "busybox")


def debian() -> tuple[str, str]:
    """This machine's Debian release and the mirror that apt takes it from."""
    release = pathlib.Path("/etc/os-release").read_text()
    (suite,) = re.findall(r"^VERSION_CODENAME=(\S+)", release, re.MULTILINE)
    shown = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(SITE) $(RELEASE)"], check=True, capture_output=True, text=True
    ).stdout
    mirrors = [line.split()[0] for line in shown.splitlines() if line.split()[1:] == [suite]]
    return suite, mirrors[0]


def _run(*command: str, folder: pathlib.Path | None = None) -> None:
    done = subprocess.run(command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {done.returncode}:\n{(done.stdout + done.stderr)[-3000:]}")


def references(suite: pathlib.Path) -> dict[str, list[str]]:
    """The names that the suite uses, by the last part of their path."""
    listed = subprocess.run([str(suite), "--list-images"], check=True, capture_output=True, text=True).stdout
    found: dict[str, list[str]] = {}
    for name in sorted(set(listed.split())):
        found.setdefault(name.rpartition("/")[2].partition(":")[0], []).append(name)
    return found


def _upstream_file(relative: str) -> bytes:
    module = subprocess.run(
        ["go", "list", "-mod=mod", "-m", "-f", "{{.Dir}}", "k8s.io/kubernetes"],
        cwd=build.MODULE,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()
    return (pathlib.Path(module) / "test" / "images" / relative).read_bytes()


def _program(name: str, path: str, mode: int = 0o755) -> File:
    return File(path, build.program(name).read_bytes(), mode=mode)


def _agnhost(kitchen: Kitchen) -> list[Sequence[File] | bytes]:
    accounts = ACCOUNTS + "user-defined-in-image:x:1000:1000::/home:/bin/sh\n"
    groups = GROUPS + "user-defined-in-image:x:1000:\ngroup-defined-in-image:x:50000:user-defined-in-image\n"
    applets = ("ifconfig", "httpd", "nslookup", "route", "telnet", "vi", "wget", "traceroute", "arp")
    files = [
        _program("agnhost", "agnhost"),
        File("agnhost-2", link="agnhost", mode=0o777),
        _program("coredns", "coredns"),
        File("uploads"),
        File("localhost.crt", _upstream_file("agnhost/porter/localhost.crt"), mode=0o644),
        File("localhost.key", _upstream_file("agnhost/porter/localhost.key"), mode=0o644),
        File("usr/local/bin/busybox", kitchen.busybox()),
        *(File(f"usr/local/bin/{applet}", link="busybox", mode=0o777) for applet in applets),
        File("etc/passwd", accounts.encode(), mode=0o644),
        File("etc/group", groups.encode(), mode=0o644),
    ]
    return [kitchen.base(), files]


def _picture(name: str, kitchen: Kitchen) -> list[Sequence[File] | bytes]:
    files = [
        File(f"{name}.jpg", _upstream_file(f"{name}/html/{name}.jpg"), mode=0o644),
        File("data.json", _upstream_file(f"{name}/html/data.json"), mode=0o644),
        # A spec that mounts this image reads which system it is.
        File("etc/os-release", b'NAME="Alpine Linux"\nID=alpine\n', mode=0o644),
    ]
    return [*_agnhost(kitchen), files]


def _busybox(kitchen: Kitchen) -> list[Sequence[File] | bytes]:
    applets = kitchen.applets()
    folders = ("bin", "etc", "home", "proc", "root", "sys", "dev", "usr", "usr/bin", "var", "var/run")
    return [
        [
            *(File(folder) for folder in folders),
            File("tmp", mode=0o1777),
            File("bin/busybox", kitchen.busybox()),
            *(File(f"bin/{applet}", link="busybox", mode=0o777) for applet in applets if applet != "busybox"),
            File("etc/passwd", ACCOUNTS.encode(), mode=0o644),
            File("etc/group", GROUPS.encode(), mode=0o644),
        ]
    ]


def _nginx(kitchen: Kitchen) -> list[Sequence[File] | bytes]:
    return [kitchen.base(), [File("etc/nginx/nginx.conf", NGINX, mode=0o644)]]


Recipe = tuple[Callable[[Kitchen], list[Sequence[File] | bytes]], dict[str, object]]
AGNHOST: dict[str, object] = {"Entrypoint": ["/agnhost"], "Cmd": ["pause"], "Env": [PATH]}
STAND_INS: dict[str, Recipe] = {
    "agnhost": (_agnhost, AGNHOST),
    "busybox": (_busybox, {"Cmd": ["sh"], "Env": [PATH]}),
    "etcd": (
        lambda kitchen: [kitchen.base(), [_program("etcd", "usr/local/bin/etcd")]],
        {"Env": [PATH], "Cmd": ["/usr/local/bin/etcd"]},
    ),
    "glibc-dns-testing": (
        lambda kitchen: [kitchen.base(), [_program("coredns", "coredns")]],
        {"Env": [PATH], "Cmd": ["bash"]},
    ),
    "kitten": (lambda kitchen: _picture("kitten", kitchen), {**AGNHOST, "Cmd": ["test-webserver"]}),
    "nautilus": (lambda kitchen: _picture("nautilus", kitchen), {**AGNHOST, "Cmd": ["test-webserver"]}),
    "nginx": (_nginx, {"Env": [PATH], "Cmd": ["nginx"], "ExposedPorts": {"80/tcp": {}}}),
    "nonewprivs": (
        lambda kitchen: [kitchen.base(), [_program("nnp", "usr/local/bin/nnp", 0o6755)]],
        {"Env": [PATH], "Cmd": ["nnp"]},
    ),
    "nonroot": (lambda kitchen: [kitchen.base()], {"Env": [PATH], "Cmd": ["bash"], "User": "1234"}),
    "pause": (
        lambda kitchen: [list(images.pause_image().layers[0])],
        {"Entrypoint": ["/pause"], "User": "65535:65535"},
    ),
    "sample-apiserver": (
        lambda kitchen: [kitchen.base(), [_program("sample-apiserver", "sample-apiserver")]],
        {"Env": [PATH], "Entrypoint": ["/sample-apiserver"]},
    ),
}
# Of these the suite uses other versions too, in specs that are not part of conformance.
UNUSED = ("agnhost:2.6",)


def make(folder: pathlib.Path, say: Callable[[str], None]) -> pathlib.Path:
    """The archive with every image the suite needs, made anew when a name has changed."""
    wanted = references(build.program("e2e.test"))
    names = [(name, one) for name in STAND_INS for one in wanted.get(name, ()) if not one.endswith(UNUSED)]
    archive, listing = folder / "images.tar", folder / "images.txt"
    if archive.exists() and listing.exists() and listing.read_text().split() == [one for _, one in names]:
        return archive
    kitchen = Kitchen(folder, say)
    made = [images.Image(one, STAND_INS[name][0](kitchen), STAND_INS[name][1]) for name, one in names]
    say(f"writing {len(made)} images")
    images.write(archive, made)
    listing.write_text("\n".join(one for _, one in names) + "\n")
    return archive
