"""What the server ends by itself, whatever becomes of the client."""

#: Another writer has the row; whoever waits for it comes back later.
LOCK_SECONDS = 5
STATEMENT_SECONDS = 10
#: Between two statements of a transaction this program computes for milliseconds. A client that is
#: silent for longer is gone or stopped, and must not keep its locks.
IDLE_IN_TRANSACTION_SECONDS = 30

#: A client that vanished is noticed in a minute, and not in the two hours that are usual.
_LIVELINESS = {
    "tcp_keepalives_idle": "30",
    "tcp_keepalives_interval": "10",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "30s",
}


def time_limits() -> dict[str, int]:
    """Seconds by the names of the server's settings."""
    return {
        "lock_timeout": LOCK_SECONDS,
        "statement_timeout": STATEMENT_SECONDS,
        "idle_in_transaction_session_timeout": IDLE_IN_TRANSACTION_SECONDS,
    }


def session_settings() -> dict[str, str]:
    """Values by the names of the server's settings."""
    limits = {name: f"{seconds}s" for name, seconds in time_limits().items()}
    return {**limits, **_LIVELINESS, "TimeZone": "UTC"}
