"""Notes every attempt to reach another machine, in any Python that the tests start; Python finds it by its name."""

import os
import sys

PLACE = os.environ.get("ALAYA_ATTEMPTS")
FIRST_ARGUMENT = ("socket.getaddrinfo", "socket.gethostbyname")
SECOND_ARGUMENT = ("socket.connect", "socket.sendto", "socket.sendmsg")
LOCAL = ("localhost", "::1", "::", "0.0.0.0", "")


def host_of(event, arguments):
    """The machine that an audit event is about; None if it is about none."""
    if event in FIRST_ARGUMENT:
        return arguments[0]
    if event in SECOND_ARGUMENT and isinstance(arguments[1], tuple):
        return arguments[1][0]
    return None


def leaves(host):
    """True if that is another machine."""
    if isinstance(host, bytes):
        host = host.decode(errors="replace")
    return isinstance(host, str) and host not in LOCAL and not host.startswith("127.")


def hear(event, arguments):
    """Write an attempt down."""
    if event.startswith("socket.") and leaves(host := host_of(event, arguments)):
        with open(PLACE, "a") as file:
            file.write(f"{event} {host} by {' '.join(sys.argv)[:200]!r}\n")


if PLACE:
    sys.addaudithook(hear)
