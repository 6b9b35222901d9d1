"""Names of kinds and resources."""

from __future__ import annotations

import pytest

from pybernetes.apimachinery import gvk


def test_text_forms() -> None:
    assert str(gvk.GroupResource("apps", "deployments")) == "deployments.apps"
    assert str(gvk.GroupResource("", "pods")) == "pods"
    assert str(gvk.GroupKind("apps", "Deployment")) == "Deployment.apps"
    assert str(gvk.GroupVersionKind("apps", "v1", "Deployment")) == "apps/v1, Kind=Deployment"
    assert str(gvk.GroupVersionKind("", "v1", "Pod")) == "/v1, Kind=Pod"
    assert str(gvk.GroupVersion("", "v1")) == "v1"


def test_parse() -> None:
    assert gvk.parse_api_version("apps/v1") == gvk.GroupVersion("apps", "v1")
    assert gvk.parse_api_version("v1") == gvk.GroupVersion("", "v1")
    assert gvk.parse_api_version("") == gvk.GroupVersion("", "")
    with pytest.raises(ValueError, match="unexpected GroupVersion string: a/b/c"):
        gvk.parse_api_version("a/b/c")
    assert gvk.parse_group_resource("a.b.c") == gvk.GroupResource("b.c", "a")
    assert gvk.of({"apiVersion": "apps/v1", "kind": "Deployment"}).api_version == "apps/v1"
