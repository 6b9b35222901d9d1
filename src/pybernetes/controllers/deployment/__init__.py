"""Rolls ReplicaSets from one template to the next: arithmetic in pure modules, one controller that carries it out."""
