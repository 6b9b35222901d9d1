"""The public pytest plugin: fixture `cluster` is a whole cluster in the test's process."""
