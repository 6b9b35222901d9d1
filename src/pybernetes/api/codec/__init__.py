"""Request and response bodies: JSON, YAML and Kubernetes protobuf to and from plain dicts.

Path: 6 decode. Upstream: apimachinery/pkg/runtime/serializer. Pure.
"""
