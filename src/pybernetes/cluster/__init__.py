"""The only place that wires components together: configuration, certificates, processes."""
