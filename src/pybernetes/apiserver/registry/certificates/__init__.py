"""Strategies of the group `certificates.k8s.io` that differ from the ordinary."""
