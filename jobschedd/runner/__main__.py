"""Started by the daemon as `python -I -m jobschedd.runner FD LISTENER`.

FD is its end of a socket pair; LISTENER the socket on which the next daemon will call when this one is gone.
"""

from __future__ import annotations

import gc
import socket
import sys

from jobschedd.runner import cgroup
from jobschedd.runner.orphans import Orphans
from jobschedd.runner.runner import Runner
from jobschedd.runner.standing import above, stand_alone


def main() -> None:
    soft_files = stand_alone()
    daemon, listener = (socket.socket(fileno=above(int(argument), soft_files)) for argument in sys.argv[1:3])
    daemon.setblocking(False)
    listener.setblocking(False)
    runner = Runner(daemon, listener, soft_files, cgroup.find() or Orphans())
    # Fork copies page tables; a collector that wanders through old objects makes it copy the pages too.
    gc.freeze()
    runner.serve()


if __name__ == "__main__":
    main()
