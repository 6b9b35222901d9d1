"""Numbered Pods with names and storage of their own: identities as a pure module, Pods, one pass, one controller."""
