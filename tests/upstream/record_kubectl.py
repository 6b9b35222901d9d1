"""Runs the transcripts of kubectl against upstream's control plane and writes down what it printed.

python tests/upstream/record_kubectl.py            # all of them
python tests/upstream/record_kubectl.py objects    # one
"""

from __future__ import annotations

import pathlib
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).parent))
sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "cluster"))

import oracle
import transcripts


def main(names: list[str]) -> int:
    """Record what is named, or everything."""
    with oracle.Oracle(controllers=True, scheduler=True) as upstream, tempfile.TemporaryDirectory() as scratch:
        for name in names or transcripts.names():
            text = transcripts.run(name, upstream.kubeconfig, pathlib.Path(scratch))
            (transcripts.FOLDER / f"{name}.txt").write_text(text, encoding="utf-8")
            print(f"{name}: {len(transcripts.commands(text))} commands", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
