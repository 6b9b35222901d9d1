"""One file for each thing a client can do with a resource."""
