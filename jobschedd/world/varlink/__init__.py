"""A Varlink service on a unix socket (https://varlink.org/Method-Call): who calls, what they call, and the replies.

Of a stranger's making is everything here but the kernel's word about who they are. One thread reads and writes, and
waits for nobody; calls are answered by two others, and streams by one each. What a connection may cost is bounded:
bytes, calls, time, threads.
"""

from jobschedd.world.varlink.call import MOST_BYTES, Call, Gone, Refused
from jobschedd.world.varlink.connection import Patience
from jobschedd.world.varlink.peer import Peer
from jobschedd.world.varlink.server import Server

__all__ = ["MOST_BYTES", "Call", "Gone", "Patience", "Peer", "Refused", "Server"]
