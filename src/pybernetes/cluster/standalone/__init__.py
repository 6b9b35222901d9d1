"""Every component as a process of its own, under upstream's flags, over real TLS to whatever API server there is."""
