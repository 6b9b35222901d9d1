"""Mutating and validating admission: a chain of plugins, one file each."""
