"""What the kinds are: the table of kinds, their types, defaults, validation, columns and wire formats.

Law: pure; no server, no I/O after the data files are loaded.
"""
