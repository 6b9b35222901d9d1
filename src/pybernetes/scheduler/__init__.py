"""Assigns Pods to Nodes: queue, cache, framework, plugins."""
