"""Build container images from local files, load image archives into a cluster's nodes, list what they have.

examples:
  pybernetes image build --file app=/bin/app -t localhost/app:1 --load --cmd /bin/app --port 8080
  pybernetes image build --base demo --file site=/www -t localhost/site:1 -o site.tar
  pybernetes image build demo -o demo.tar
  pybernetes image load demo.tar
  pybernetes image list

No registry and no compiler is involved: an image made without --base contains the given files and nothing else.
"""

import argparse
import asyncio
import json
import pathlib
import sys
import tempfile

from pybernetes.cli import selection
from pybernetes.cluster import config as configs
from pybernetes.cluster import images, nodes
from pybernetes.kubelet.cri import client as cri
from pybernetes.kubelet.cri import images as cri_images
from pybernetes.kubelet.cri import runtime


class UsageError(Exception):
    """What was asked for cannot be done; the text says why."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """build, load, list."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    building = actions.add_parser("build", help="make an archive from local files, or of our own demo or pause image")
    building.add_argument("preset", nargs="?", choices=("demo", "pause"), help="one of our own images")
    building.add_argument("-t", "--tag", metavar="NAME", help="the image's name")
    building.add_argument(
        "--file", action="append", default=[], metavar="SRC=DST", help="a file or directory and its place in the image"
    )
    building.add_argument("--base", choices=("demo",), help="start from this image instead of from nothing")
    building.add_argument("--env", action="append", default=[], metavar="NAME=VALUE", help="a variable")
    building.add_argument("--user", default="", metavar="UID[:GID]", help="whom the command runs as (default: root)")
    building.add_argument("--workdir", default="/", metavar="DIR", help="where it runs (default: /)")
    building.add_argument("-o", "--output", type=pathlib.Path, metavar="TAR", help="write the archive there")
    building.add_argument("--load", action="store_true", help="load it into the cluster's nodes")
    selection.add_arguments(building)
    building.add_argument(
        "--cmd", nargs=argparse.REMAINDER, default=[], metavar="ARG", help="the command with its arguments; comes last"
    )
    loading = actions.add_parser("load", help="load OCI or docker archives into every real node of a cluster")
    loading.add_argument("archives", nargs="+", type=pathlib.Path, metavar="TAR")
    selection.add_arguments(loading)
    listing = actions.add_parser("list", help="list the images of a cluster's nodes")
    listing.add_argument("-o", "--output", choices=("text", "json"), default="text", help="the form (default: text)")
    selection.add_arguments(listing)


def run(arguments: argparse.Namespace) -> int:
    """Do it."""
    action = {"build": _build, "load": _load, "list": _list}[arguments.action]
    try:
        return action(arguments)
    except (UsageError, images.ImageBuildError, runtime.CriError, configs.ConfigError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


def _build(arguments: argparse.Namespace) -> int:
    if arguments.output is None and not arguments.load:
        raise UsageError("name a file with --output, or load the image with --load")
    image = preset(arguments) if arguments.preset else from_files(arguments)
    with tempfile.TemporaryDirectory(prefix="pybernetes-image-") as directory:
        archive = arguments.output or pathlib.Path(directory) / "image.tar"
        images.write(archive, [image])
        if arguments.output is not None:
            print(f"{image.name} is in {archive} ({archive.stat().st_size} bytes)")
        if arguments.load:
            asyncio.run(_load_into(_sockets(arguments), [archive]))
    return 0


def preset(arguments: argparse.Namespace) -> images.Image:
    """One of our own images."""
    if arguments.file or arguments.cmd:
        raise UsageError(f"the {arguments.preset} image is what it is: --file and --cmd are for other images")
    if arguments.preset == "pause":
        return images.pause_image(arguments.tag or images.PAUSE_IMAGE)
    return images.demo_image(arguments.tag or images.DEMO_IMAGE)


def from_files(arguments: argparse.Namespace) -> images.Image:
    """An image of local files. Raises UsageError."""
    if not arguments.tag:
        raise UsageError("name the image with --tag")
    files = [entry for given in arguments.file for entry in entries(given)]
    base = images.demo_image() if arguments.base == "demo" else None
    if not files and base is None:
        raise UsageError("name what goes into the image with --file SRC=DST")
    config: dict[str, object] = dict(base.config) if base is not None else {}
    inherited = config.get("Env", [])
    config["Env"] = [*(inherited if isinstance(inherited, list) else []), *arguments.env]
    config["WorkingDir"] = arguments.workdir
    if arguments.user:
        config["User"] = arguments.user
    if arguments.cmd:
        config["Cmd"] = arguments.cmd
    layers = [*(base.layers if base is not None else ()), _with_parents(files)]
    return images.Image(arguments.tag, layers, config)


def entries(given: str) -> list[images.File]:
    """What `SRC=DST` puts into the image: a file, a link, or a directory with all that is in it."""
    source, separator, target = given.partition("=")
    path = pathlib.Path(source)
    if not separator or not target.startswith("/") or not source:
        raise UsageError(f"--file {given}: write SRC=DST with an absolute DST")
    if not path.exists():
        raise UsageError(f"--file {given}: {source} does not exist")
    if target.endswith("/") and path.is_file():
        target += path.name
    if not path.is_dir():
        return [_entry(path.resolve(), target)]
    inside = sorted(path.rglob("*"))
    return [_entry(path, target), *(_entry(one, f"{target.rstrip('/')}/{one.relative_to(path)}") for one in inside)]


def _entry(path: pathlib.Path, target: str) -> images.File:
    if path.is_symlink():
        return images.File(target, link=str(path.readlink()), mode=0o777)
    mode = path.stat().st_mode & 0o7777
    return images.File(target, path.read_bytes() if path.is_file() else None, mode=mode)


def _with_parents(files: list[images.File]) -> list[images.File]:
    """The same, every directory before what is in it."""
    known = {file.path.strip("/"): file for file in files}
    for name in list(known):
        for parent in pathlib.PurePosixPath(name).parents:
            if str(parent) not in (".", "/"):
                known.setdefault(str(parent), images.File(str(parent)))
    return [known[name] for name in sorted(known) if name]


def _load(arguments: argparse.Namespace) -> int:
    missing = [str(path) for path in arguments.archives if not path.is_file()]
    if missing:
        raise UsageError(f"no such file: {', '.join(missing)}")
    asyncio.run(_load_into(_sockets(arguments), arguments.archives))
    return 0


async def _load_into(sockets: dict[str, pathlib.Path], archives: list[pathlib.Path]) -> None:
    for node, socket in sockets.items():
        for archive in archives:
            for name in await cri_images.import_archive(archive, str(socket)):
                print(f"{node}: {name}")


def _list(arguments: argparse.Namespace) -> int:
    found = asyncio.run(_images(_sockets(arguments)))
    if arguments.output == "json":
        listed = [
            {
                "node": node,
                "id": one.id,
                "tags": list(one.repo_tags),
                "digests": list(one.repo_digests),
                "size": one.size,
            }
            for node, one in found
        ]
        print(json.dumps(listed, indent=2))
        return 0
    rows = [(node, tag, one.size) for node, one in found for tag in one.repo_tags or ("<none>",)]
    wide, long = max([4, *(len(node) for node, _, _ in rows)]), max([5, *(len(tag) for _, tag, _ in rows)])
    print(f"{'NODE':{wide}}  {'IMAGE':{long}}  SIZE")
    for node, tag, size in sorted(rows):
        print(f"{node:{wide}}  {tag:{long}}  {size / 2**20:.1f} MiB")
    return 0


async def _images(sockets: dict[str, pathlib.Path]) -> list[tuple[str, runtime.Image]]:
    found = []
    for node, socket in sockets.items():
        engine = cri.CriClient(f"unix://{socket}")
        try:
            found += [(node, image) for image in await engine.list_images()]
        finally:
            await engine.close()
    return found


def _sockets(arguments: argparse.Namespace) -> dict[str, pathlib.Path]:
    """The runtime of each real node that runs. Raises UsageError when there is none."""
    paths = selection.paths(arguments)
    config = configs.load(paths)
    if config is None:
        raise UsageError(selection.no_cluster(paths))
    places = {config.node_name(index): nodes.runtime_config(paths, config, index) for index in config.nodes}
    sockets = {node: place.socket for node, place in places.items() if place.socket.exists()}
    if not sockets:
        simulated = " (its nodes are simulated: they need no images)" if config.simulated_nodes else ""
        raise UsageError(f"no node of cluster {config.name!r} runs containers{simulated}")
    return sockets
