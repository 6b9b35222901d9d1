"""Services to addresses: which Pods stand behind a Service, in slices of a hundred."""
