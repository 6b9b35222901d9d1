"""Strategies of the group `rbac.authorization.k8s.io` that differ from the ordinary."""
