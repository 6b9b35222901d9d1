"""Makes Jobs on a schedule: the schedule as a pure module, one controller."""
