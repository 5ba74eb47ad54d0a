"""Every setting, read from the environment once at start-up.

A field's name in capitals is the name of its environment variable. Defaults work on a laptop:
everything local, under ``var/``, reachable from this machine only. Combinations that would fail
later, in the middle of a job, are refused here with one line.
"""

from worker.settings.access import is_loopback
from worker.settings.authentication import require_control_auth, require_worker_auth
from worker.settings.loading import SettingsError, load_settings
from worker.settings.places import is_bucket
from worker.settings.settings import Settings
from worker.settings.timing import OVERHEAD_SECONDS

__all__ = [
    "OVERHEAD_SECONDS",
    "Settings",
    "SettingsError",
    "is_bucket",
    "is_loopback",
    "load_settings",
    "require_control_auth",
    "require_worker_auth",
]
