"""What bodies are read with besides; how they are refused, `tests/cluster/test_upstream.py` asks."""

import pytest

from pybernetes.api.codec import body
from pybernetes.apimachinery import errors, gvk

POD = gvk.GroupVersionKind("", "v1", "Pod")


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
    for given, refusal in (
        ("v1 Gadget", 'kind: Invalid value: "Gadget": must be Widget'),
        ("v2 Widget", r"does not match the expected API version \(example.com/v1\)"),
        ("v1 ", "Object 'Kind' is missing"),
    ):
        version, _, kind = given.partition(" ")
        text = f'{{"apiVersion":"example.com/{version}","kind":"{kind}"}}'
        with pytest.raises(errors.StatusError, match=refusal):
            body.read(text.encode(), body.JSON, expected)


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
