"""Strategies of the group `coordination.k8s.io` that differ from the ordinary."""
