"""Certificate signing requests: what is asked for, approving nodes' own, signing, and forgetting old ones."""
