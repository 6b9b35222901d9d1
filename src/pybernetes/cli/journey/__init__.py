"""The journey of an object through all components, as `pybernetes trace` tells it.

steps.py has the 38 steps; story.py picks the steps of one object out of all that were heard; recorder.py gathers what
the API, the audit log and the runtime say meanwhile; invariants.py checks that; page.py writes it down for a browser.
"""
