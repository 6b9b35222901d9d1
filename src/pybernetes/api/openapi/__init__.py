"""The OpenAPI documents a server publishes: `/openapi/v3`, one document for each group version, and `/openapi/v2`.

documents.py puts them together and keeps them; paths.py writes the operations of a kind, components.py the schemas.
Upstream: kube-openapi, apiserver/pkg/endpoints/installer.go. Pure.
"""
