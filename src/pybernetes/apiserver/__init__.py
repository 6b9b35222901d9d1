"""The front of the cluster: a strict server of objects that does little more than CRUD.

Law: no workload logic; the only user of storage; never imports the client library.
"""
