"""The edge to the container runtime: the protocol, its gRPC client, conversion, images and logs.

Law: nothing here decides anything; what to start or kill is decided in `kubelet.actions`.
"""
