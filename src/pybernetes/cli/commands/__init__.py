"""One file a command: `add_arguments(parser)` declares its options, `run(arguments)` returns the exit code."""
