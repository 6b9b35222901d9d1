"""Bodies against what upstream answered to the same ones."""

import json
import pathlib
import re
from typing import Any

import pytest
import yaml as pyyaml

from pybernetes.api import kinds
from pybernetes.api.codec import body
from pybernetes.apimachinery import errors, gvk

UPSTREAM = pathlib.Path(__file__).parents[3] / "golden" / "upstream" / "errors"
TELLING = re.compile("cannot be handled as|the object provided is unrecognized|the API version in the data")
POD = gvk.GroupVersionKind("", "v1", "Pod")


def recorded() -> list[Any]:
    found = []
    for path in sorted(UPSTREAM.glob("*.yaml")):
        for case in pyyaml.load(path.read_text(), Loader=pyyaml.CSafeLoader):
            message = case.get("expect", {}).get("status", {}).get("message", "")
            if case["method"] in ("POST", "PUT") and "body" in case and TELLING.search(message):
                found.append(pytest.param(case, message, id=f"{path.stem}-{case['name']}"))
    return found


def expected_of(case: dict[str, Any]) -> gvk.GroupVersionKind:
    parts = case["path"].partition("?")[0].strip("/").split("/")
    group, version, rest = ("", parts[1], parts[2:]) if parts[0] == "api" else (parts[1], parts[2], parts[3:])
    plural = rest[2] if rest[0] == "namespaces" and len(rest) > 2 else rest[0]
    kind = kinds.TABLE.by_resource(group, version, plural)
    assert kind is not None
    return kind.gvk


@pytest.mark.parametrize(("case", "message"), recorded())
def test_refuses_as_upstream_does(case: dict[str, Any], message: str) -> None:
    data = case["body"] if isinstance(case["body"], str) else json.dumps(case["body"])
    strict = body.STRICT if "fieldValidation=Strict" in case["path"] else body.WARN
    with pytest.raises(errors.BadRequest) as caught:
        body.read(data.encode(), body.media_type(case["contentType"]), expected_of(case), validation=strict)
    assert caught.value.message == message


def test_warns_in_the_order_of_the_body() -> None:
    spec = b'{"foo":1,"containers":[{"name":"a","bar":2,"name":"b","bar":3}]}'
    data = b'{"spec":' + spec + b',"metadata":{"labels":{"a":"1","a":"2"}}}'
    read = body.read(data, body.JSON, POD)
    assert read.warnings == [
        'unknown field "spec.foo"',
        'unknown field "spec.containers[0].bar"',
        'duplicate field "spec.containers[0].name"',
        'duplicate field "metadata.labels.a"',
    ]
    assert read.obj == {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"labels": {"a": "2"}},
        "spec": {"containers": [{"name": "b"}]},
    }
    assert body.read(data, body.JSON, POD, validation=body.IGNORE).warnings == []


def test_options_travel_under_any_group() -> None:
    expected = gvk.GroupVersionKind("meta.k8s.io", "v1", "DeleteOptions")
    data = b'{"apiVersion":"apps/v1","kind":"DeleteOptions","propagationPolicy":"Orphan"}'
    assert body.read(data, body.JSON, expected, accept_groups=True).obj["propagationPolicy"] == "Orphan"


def test_other_version_of_the_same_group() -> None:
    expected = gvk.GroupVersionKind("autoscaling", "v2", "HorizontalPodAutoscaler")
    with pytest.raises(errors.BadRequest, match=r"the API version in the data \(autoscaling/v1\) does not match"):
        body.read(b'{"apiVersion":"autoscaling/v1","kind":"HorizontalPodAutoscaler"}', body.JSON, expected)


def test_custom_resources_keep_what_is_not_metadata() -> None:
    expected = gvk.GroupVersionKind("example.com", "v1", "Widget")
    data = b'{"apiVersion":"example.com/v1","kind":"Widget","metadata":{"name":"w","nme":1},"spec":{"a":null,"b":0}}'
    read = body.read(data, body.JSON, expected)
    assert read.obj["spec"] == {"a": None, "b": 0}
    assert read.warnings == ['unknown field "metadata.nme"']
    with pytest.raises(errors.BadRequest, match=r'no kind "Gadget" is registered for version "example.com/v1"'):
        body.read(b'{"apiVersion":"example.com/v1","kind":"Gadget"}', body.JSON, expected)


@pytest.mark.parametrize(
    ("content_type", "media"),
    [
        ("", body.JSON),
        ("application/json; charset=utf-8", body.JSON),
        ("application/yaml", body.YAML),
        ("application/vnd.kubernetes.protobuf", body.PROTOBUF),
    ],
)
def test_media_types(content_type: str, media: str) -> None:
    assert body.media_type(content_type) == media


def test_unknown_media_type() -> None:
    with pytest.raises(errors.UnsupportedMediaType):
        body.media_type("text/plain")


def warned() -> list[Any]:
    """Recorded requests that were accepted with a warning about their fields."""
    found = []
    for path in sorted(UPSTREAM.glob("*.yaml")):
        for case in pyyaml.load(path.read_text(), Loader=pyyaml.CSafeLoader):
            warnings = case.get("expect", {}).get("warnings", [])
            if case["method"] == "POST" and any(" field " in warning for warning in warnings):
                found.append(pytest.param(case, warnings, id=f"{path.stem}-{case['name']}"))
    return found


@pytest.mark.parametrize(("case", "warnings"), warned())
def test_warns_as_upstream_does(case: dict[str, Any], warnings: list[str]) -> None:
    data = case["body"] if isinstance(case["body"], str) else json.dumps(case["body"])
    read = body.read(data.encode(), body.media_type(case["contentType"]), expected_of(case))
    assert [f"299 - {json.dumps(warning)}" for warning in read.warnings] == warnings
