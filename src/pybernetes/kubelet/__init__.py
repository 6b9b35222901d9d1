"""The node agent: starts and manages the Pods bound to its node."""
