"""Cluster DNS: Services and Pods as records, everything else forwarded."""
