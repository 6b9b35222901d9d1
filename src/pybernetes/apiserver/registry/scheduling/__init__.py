"""Strategies of the group `scheduling.k8s.io` that differ from the ordinary."""
