"""Run a command that cannot outlive its parent: ``guarded_exec.py PPID SIGNAL USER -- COMMAND…``.

Used as a program of its own, because asking for the parent-death signal between fork and exec of
a process that has threads is not safe. ``USER`` is ``-`` to stay who we are.
"""

import ctypes
import os
import pwd
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main(arguments: list[str]) -> None:
    parent, death_signal, user, _, *command = arguments
    if user != "-":
        account = pwd.getpwnam(user)
        os.setgroups([])
        os.setgid(account.pw_gid)
        os.setuid(account.pw_uid)
    if sys.platform == "linux":
        # After the change of user, which clears the setting.
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, int(death_signal))
    # Tests that run under nohup hand on that it is ignored.
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    if os.getppid() != int(parent):
        sys.exit("the parent is gone already")
    os.execvp(command[0], command)


if __name__ == "__main__":
    main(sys.argv[1:])
