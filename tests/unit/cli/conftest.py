"""Commands run inside the tests' process: what they do to its logs is undone."""

import logging
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def _logs() -> Iterator[None]:
    logger = logging.getLogger("pybernetes")
    handlers, level, propagate = logger.handlers[:], logger.level, logger.propagate
    yield
    logger.handlers[:] = handlers
    logger.setLevel(level)
    logger.propagate = propagate
