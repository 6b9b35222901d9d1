"""Schemas for the patches, over the recorded definitions."""

from __future__ import annotations

from typing import Any

import pytest

from pybernetes.apimachinery.patch import strategic, typeschema

NAMES = {"Pod": "io.k8s.api.core.v1.Pod", "Deployment": "io.k8s.api.apps.v1.Deployment"}


@pytest.fixture(scope="session")
def patch_schemas(definitions: dict[str, Any]) -> dict[str, strategic.OpenAPISchema]:
    return {
        kind: strategic.OpenAPISchema(name, definitions[name], definitions.__getitem__) for kind, name in NAMES.items()
    }


@pytest.fixture(scope="session")
def apply_types(definitions: dict[str, Any]) -> dict[str, typeschema.Type]:
    types = typeschema.Types(definitions.__getitem__)
    return {kind: types.named(name) for kind, name in NAMES.items()}
