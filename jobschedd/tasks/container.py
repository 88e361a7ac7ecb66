"""Runs the container that standard input describes as JSON, by podman or docker, and ends as it ends.

The engine gets the values of variables by a file in memory or by its own environment, never by its arguments. Exit
code: the container's; 125 where the engine could not make one. Asked to end by SIGTERM, it has the engine stop the
container, which kills it where that does not help, whether this program is still there to see it or not.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from typing import Any, NoReturn

ENGINE_FAILED = 125
"""What podman and docker say when it was not the container that failed."""

GRACE = 8
"""Seconds a container has to end after SIGTERM: less than a run has by default, so that it is gone, and tidied up."""

_ONE_LINE = re.compile(r"[^\s\x00-\x1f\"'`\\#][^\x00-\x1f\"'`\\#]{0,4096}")
"""Values that every engine reads from a file as they are: some trim, unquote, or see comments."""


def fail(sentence: str) -> NoReturn:
    print(sentence, flush=True)
    sys.exit(ENGINE_FAILED)


def arguments(order: dict[str, Any], name: str, env_file: str, names: list[str]) -> list[str]:
    """What the engine is called with. `names`: variables that it takes from its environment."""
    argv = [order["engine"], "run", "--rm", f"--name={name}", f"--pull={order['pull']}"]
    argv.append(f"--label=io.jobschedd.job={os.environ['JOBSCHEDD_JOB_ID']}")
    if order["engine"] == "podman":
        # The container stays in the cgroup of the run, and so within its limits, and ends where that is ended.
        argv.append("--cgroups=disabled")
    argv.append(f"--env-file={env_file}")
    argv += [f"--env={variable}" for variable in names]
    argv += [f"--volume={volume}" for volume in order["volumes"]]
    return [*argv, "--", order["image"], *order["args"]]


def split(env: list[list[str]]) -> tuple[str, dict[str, str]]:
    """The variables as lines of a file, and those that no line can hold."""
    plain = "".join(f"{name}={value}\n" for name, value in env if _ONE_LINE.fullmatch(value))
    return plain, {name: value for name, value in env if not _ONE_LINE.fullmatch(value)}


def told() -> list[str]:
    """Names of what every run is told, and the container is to be told too."""
    return [name for name in os.environ if name.startswith("JOBSCHEDD_") or name == "TZ"]


def run(order: dict[str, Any], name: str) -> int:
    """The exit code of the container."""
    plain, odd = split(order["env"])
    file = os.memfd_create("env")
    os.write(file, plain.encode())
    own = {variable for variable, _ in order["env"]}
    names = [*(variable for variable in told() if variable not in own), *odd]
    client: subprocess.Popen[bytes] | None = None
    asked = False

    def stop(*_: object) -> None:
        nonlocal asked
        asked = True
        signal.signal(signal.SIGTERM, lambda *_: None)
        stopped = subprocess.run([order["engine"], "stop", "-t", str(GRACE), name], capture_output=True, check=False)
        if stopped.returncode and client is not None:
            client.terminate()  # there is no container yet: its image is still being fetched

    signal.signal(signal.SIGTERM, stop)
    client = subprocess.Popen(
        arguments(order, name, f"/proc/self/fd/{file}", names),
        stdin=subprocess.DEVNULL,
        env=os.environ | odd,
        pass_fds=[file],
    )
    if asked:
        client.terminate()  # it was started while the stop was asked for
    code = client.wait()
    return code if code >= 0 else 128 - code


def main() -> None:
    order = json.load(sys.stdin)
    engine = order["engine"]
    if shutil.which(engine) is None:
        other = {"podman": "docker", "docker": "podman"}[engine]
        fail(f'cannot run a container: {engine} is not installed; install it, or write "engine": "{other}"')
    runtime = f"/run/user/{os.geteuid()}"
    if os.path.isdir(runtime):
        os.environ.setdefault("XDG_RUNTIME_DIR", runtime)
    sys.exit(run(order, f"jobschedd-{os.environ['JOBSCHEDD_RUN_ID']}"))


if __name__ == "__main__":
    main()
