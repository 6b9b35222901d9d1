"""Strategies of the group `apps` that differ from the ordinary."""
