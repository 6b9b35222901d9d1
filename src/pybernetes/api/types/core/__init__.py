"""Core v1: pods, nodes, services, volumes, configuration; the rooms of this package as one module.

Upstream: k8s.io/api/core/v1. Pure.
"""

# ruff: noqa: F403  each room defines nothing but kinds and their parts
from pybernetes.api.types.core.claims import *
from pybernetes.api.types.core.containers import *
from pybernetes.api.types.core.namespaces import *
from pybernetes.api.types.core.nodes import *
from pybernetes.api.types.core.persistent_volumes import *
from pybernetes.api.types.core.pods import *
from pybernetes.api.types.core.references import *
from pybernetes.api.types.core.services import *
from pybernetes.api.types.core.volumes import *
