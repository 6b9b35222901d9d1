"""Rules every object obeys: names, selectors, quantities, errors, patches.

Law: pure functions on values; imports nothing of ours, no event loop, no I/O.
"""
