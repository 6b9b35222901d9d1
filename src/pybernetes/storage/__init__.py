"""Keys, values and one global revision: the protocol, its backends and the watch cache.

Law: used by the API server only; everybody else goes through the API.
"""
