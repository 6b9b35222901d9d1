"""A whole cluster inside a test: the public pytest plugin and what it is made of."""
