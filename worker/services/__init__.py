"""What the system does with jobs, one verb a module."""
