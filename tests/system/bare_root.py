"""`./dev prove`: what somebody sees who clones the project on a Debian with nothing installed.

Not part of the suite: it compiles and downloads for minutes. It takes this checkout as it is, whether committed or not.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.system.machine import (
    CACHE,
    CONTAINER,
    PROJECT,
    PURE_CGROUP_V2,
    SUITE,
    call,
    discard,
    lend_network,
    mount_over,
    why_not,
)

CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
LENT = "/run/host-certificates.crt"
MINUTES = 60

RUN_AND_STOP = r"""
set -eu
./dev run >/tmp/log 2>&1 &
daemon=$!
tail -n +1 -f --pid=$daemon /tmp/log &
until grep -q 'heartbeat |' /tmp/log; do
    kill -0 $daemon
    sleep 0.2
done
kill -TERM $daemon
wait $daemon
"""
"""`./dev run` until a job of the examples has said something, then SIGTERM; ends as the daemon does."""


def bare_root() -> Path:
    """What debootstrap makes when nothing is asked for, kept in the cache."""
    root = CACHE / f"{SUITE}-bare"
    if not root.is_dir():
        CACHE.mkdir(parents=True, exist_ok=True)
        making = Path(tempfile.mkdtemp(prefix="making-", dir=CACHE))
        making.chmod(0o755)
        call("debootstrap", "--variant=minbase", SUITE, str(making))
        making.rename(root)
    return root


def copy_checkout(target: Path) -> None:
    listed = subprocess.run(
        ["git", "-C", PROJECT, "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    for name in filter(None, listed.stdout.split("\0")):
        if (PROJECT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(PROJECT / name, target / name)


def within(root: Path, *command: str) -> int:
    """Run a command in the root's checkout, with this machine's network. Its exit code."""
    lent = []
    # Not in its own place: installing ca-certificates would write over it.
    if CERTIFICATES.exists():
        lent = [
            f"--bind-ro={CERTIFICATES}:{LENT}",
            *(f"--setenv={name}={LENT}" for name in ("PIP_CERT", "SSL_CERT_FILE")),
        ]
    lent += [f"--setenv={name}={value}" for name, value in os.environ.items() if name.lower().endswith("_proxy")]
    # The socket on which nspawn wants to be notified is for an init; to the daemon it would mean systemd.
    command = ("env", "--unset=NOTIFY_SOCKET", *command)
    nspawn = [*CONTAINER, "-D", str(root), "--as-pid2", "--pipe", "--resolv-conf=off", "--chdir=/root/jobschedd", *lent]
    container = subprocess.Popen([*nspawn, *command], env=PURE_CGROUP_V2, stdin=subprocess.DEVNULL)
    try:
        return container.wait(30 * MINUTES)
    finally:
        # Not kill: that would leave behind what runs in it.
        container.terminate()
        container.wait()


def main() -> int:
    reason = why_not()
    if reason:
        print(f"cannot prove anything here: {reason}", file=sys.stderr)
        return 1
    # Ended half-way, it takes its container and its mounts along.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    work = Path(tempfile.mkdtemp(prefix="jobschedd-bare-"))
    root = work / "root"
    mount_over(bare_root(), work)
    try:
        lend_network(root)
        copy_checkout(root / "root/jobschedd")
        for command in (("sh", "-c", RUN_AND_STOP), ("./dev", "test"), ("./dev", "check")):
            print(f"--- {' '.join(command).strip()}", flush=True)
            code = within(root, *command)
            if code:
                print(f"--- exit code {code}", flush=True)
                return code
    finally:
        discard(work)
    return 0


if __name__ == "__main__":
    sys.exit(main())
