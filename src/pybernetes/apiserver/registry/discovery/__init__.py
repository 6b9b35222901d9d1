"""Strategies of the group `discovery.k8s.io` that differ from the ordinary."""
