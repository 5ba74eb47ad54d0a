"""How long a test waits for what must happen."""

#: Longer than anything takes on the slowest and busiest machine, with kernels that have to be
#: compiled first. Only a failure waits so long.
PATIENCE_SECONDS = 240.0
