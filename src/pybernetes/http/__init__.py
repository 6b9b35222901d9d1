"""HTTP/1.1 over asyncio: messages, server, client, upgrades.

Law: knows nothing of Kubernetes.
"""
