"""Thin front doors: HTTP applications, the poller, the command line."""
