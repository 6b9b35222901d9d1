"""What a running component tells about itself: logs, metrics, traces, health."""
