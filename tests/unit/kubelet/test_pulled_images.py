"""Pulls of one image side by side: whichever ends first, and however."""

import itertools

import pytest

from pybernetes.kubelet import pulled_images


@pytest.mark.parametrize("ends", [*itertools.product(("", "sha256:1"), repeat=3)])
def test_pulls_side_by_side(ends: tuple[str, ...]) -> None:
    images = pulled_images.PulledImages()
    for _ in ends:
        images.begin("demo:1")
    for reference in ends:
        images.end("demo:1", reference)
    assert images.may_use("demo:1", "sha256:1", ())
