"""The plugins of the default profile, one per file, named as upstream names them. All of them are pure.

Upstream: pkg/scheduler/framework/plugins.
"""
