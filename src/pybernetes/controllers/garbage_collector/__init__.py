"""Deletes what its owners left behind; the graph of owners is pure, the controller reads and writes."""
