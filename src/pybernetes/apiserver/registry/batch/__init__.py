"""Strategies of the group `batch` that differ from the ordinary."""
