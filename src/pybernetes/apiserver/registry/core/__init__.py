"""Strategies of the core group's kinds that differ from the ordinary."""
