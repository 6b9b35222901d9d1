"""Kinds that a cluster's users bring along: CustomResourceDefinitions, and the rules of their objects."""
