"""How long a test waits for what must happen."""

#: Longer than anything takes on the slowest and busiest machine: only a failure waits so long.
PATIENCE_SECONDS = 120.0
