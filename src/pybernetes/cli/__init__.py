"""The `pybernetes` command."""
