"""One Pod on every matching node: placement and rollout as pure modules, one controller that carries them out."""
