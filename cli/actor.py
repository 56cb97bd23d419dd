"""Who gives the commands, for the story of a recording and for the audit."""

import getpass
import os
import socket

from cli.report import printable


def own_actor() -> str:
    """`user@host`; of a user without a name, the number."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = str(os.getuid())
    return printable(f"{user}@{socket.gethostname()}")
