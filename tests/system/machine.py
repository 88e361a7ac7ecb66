"""A Debian of our own, booted by systemd-nspawn from a directory, with the project installed in it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

PROJECT = Path(__file__).parents[2]
SUITE = "bookworm"
PACKAGES = "systemd,systemd-sysv,dbus,python3,python3-venv,python3-dev,gcc,libc6-dev,pkg-config,libsystemd-dev"
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "jobschedd-test"
PATIENCE = 60.0

CONTAINER = ("systemd-nspawn", "-q", "--register=no", "--keep-unit")
PURE_CGROUP_V2 = os.environ | {"SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"}


def why_not() -> str | None:
    """What keeps this machine from booting one; None: nothing does."""
    if os.geteuid() != 0:
        return "only root can boot a container"
    for tool in ("debootstrap", "systemd-nspawn", "nsenter"):
        if shutil.which(tool) is None:
            return f"{tool} is not installed"
    probe = subprocess.run(
        [*CONTAINER, "-D", "/", "--volatile=yes", "--as-pid2", "--pipe", "--private-network", "true"],
        env=PURE_CGROUP_V2,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    return f"systemd-nspawn cannot make a container: {probe.stderr.strip()}" if probe.returncode else None


def call(*command: str, cwd: Path | None = None) -> None:
    done = subprocess.run(command, cwd=cwd, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}:\n{done.stdout[-4000:]}{done.stderr[-4000:]}"


def lend_network(root: Path) -> None:
    """Hand in how this machine reaches its package registries: names, certificates and pip's settings."""
    for file in ("/etc/resolv.conf", "/etc/hosts", "/etc/pip.conf"):
        if Path(file).exists():
            shutil.copy(file, root / file[1:])
    certificates = Path("/etc/ssl/certs/ca-certificates.crt")
    if certificates.exists():
        (root / "etc/ssl/certs").mkdir(parents=True, exist_ok=True)
        shutil.copy(certificates, root / "etc/ssl/certs/ca-certificates.crt")


def base_root() -> Path:
    """A root with the locked dependencies in /opt/jobschedd, made once and kept in the cache."""
    key = sha256((PROJECT / "requirements.lock").read_bytes() + PACKAGES.encode()).hexdigest()[:16]
    root = CACHE / f"{SUITE}-{key}"
    if root.is_dir():
        return root
    CACHE.mkdir(parents=True, exist_ok=True)
    making = Path(tempfile.mkdtemp(prefix="making-", dir=CACHE))
    making.chmod(0o755)
    print(f"\nmaking a {SUITE} root for the system tests in {root}: a few minutes, once", file=sys.stderr, flush=True)
    call("debootstrap", "--variant=minbase", f"--include={PACKAGES}", SUITE, str(making))
    lend_network(making)
    shutil.copy(PROJECT / "requirements.lock", making / "opt/requirements.lock")
    call("chroot", str(making), "python3", "-m", "venv", "/opt/jobschedd")
    pip = ("chroot", str(making), "/opt/jobschedd/bin/pip", "install", "-q", "--use-pep517")
    call(*pip, "--require-hashes", "-r", "/opt/requirements.lock")
    making.rename(root)
    return root


def mount_over(root: Path, work: Path) -> None:
    """Mount at `work`/root a copy of a root that costs nothing to make and to throw away."""
    # In memory: where we are in a container ourselves, its own overlay cannot carry the upper directory of another.
    call("mount", "-t", "tmpfs", "-o", "mode=0755", "tmpfs", str(work))
    for name in ("upper", "work", "root"):
        (work / name).mkdir()
    layers = f"lowerdir={root},upperdir={work / 'upper'},workdir={work / 'work'}"
    call("mount", "-t", "overlay", "overlay", "-o", layers, str(work / "root"))


def discard(work: Path) -> None:
    call("umount", "--lazy", "--recursive", str(work))
    work.rmdir()


def install_project(root: Path, wheels: Path) -> None:
    """What the package will install, into a root that has the dependencies."""
    pip = (sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation")
    call(*pip, "-w", str(wheels), str(PROJECT))
    (wheel,) = wheels.glob("*.whl")
    shutil.copy(wheel, root / "opt" / wheel.name)
    call("chroot", str(root), "/opt/jobschedd/bin/pip", "install", "-q", "--no-deps", f"/opt/{wheel.name}")
    for name in ("jobschedd", "jobctl"):
        (root / "usr/bin" / name).symlink_to(f"/opt/jobschedd/bin/{name}")
    for name, place in (
        ("jobschedd.service", "system"),
        ("user/jobschedd.service", "user"),
        ("jobschedd.catalog", "catalog"),
    ):
        shutil.copy(PROJECT / "systemd" / name, root / "usr/lib/systemd" / place)
    call("chroot", str(root), "journalctl", "--update-catalog")


class Machine:
    """Booted on an overlay over the cached root; what happens in it is gone when it is closed."""

    def __init__(self, work: Path) -> None:
        self._work = work
        self.root = work / "root"
        mount_over(base_root(), work)
        try:
            install_project(self.root, work / "wheels")
            self._boot()
        except BaseException:
            self.close()
            raise

    def _boot(self) -> None:
        self._console = open(self._work / "console", "wb")  # noqa: SIM115 - closed with the machine
        self._nspawn = subprocess.Popen(
            [*CONTAINER, "-D", str(self.root), "--boot", "--private-network", "--console=pipe"],
            env=PURE_CGROUP_V2,
            stdin=subprocess.DEVNULL,
            stdout=self._console,
            stderr=self._console,
        )
        self.until("systemd runs as the container's init", lambda: self._find_init() is not None)
        init = self._find_init()
        assert init is not None
        self.init = init
        self.until(
            "the container has booted",
            lambda: self.run("systemctl", "is-system-running").stdout.strip() in ("running", "degraded"),
        )

    def _find_init(self) -> int | None:
        if self._nspawn.poll() is not None:
            raise AssertionError(
                f"systemd-nspawn ended: {(self._work / 'console').read_text(errors='replace')[-2000:]}"
            )
        pid = self._nspawn.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        for child in children:
            if Path(f"/proc/{child}/comm").read_text().strip() == "systemd":
                return int(child)
        return None

    def run(self, *command: str, check: bool = False) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            ["nsenter", "-t", str(self.init), "-a", "--", *command],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"},
        )
        if check:
            assert done.returncode == 0, f"{' '.join(command)}: {done.stdout}{done.stderr}"
        return done

    def systemctl(self, *arguments: str) -> str:
        return self.run("systemctl", *arguments, check=True).stdout.strip()

    def show(self, key: str) -> str:
        return self.systemctl("show", "jobschedd", f"--property={key}", "--value")

    def journal(self, *arguments: str) -> str:
        return self.run("journalctl", "--no-pager", "-q", "-o", "cat", *arguments).stdout

    def put(self, path: str, text: str) -> None:
        """Put a file in place as an administrator does: written beside, then renamed."""
        target = Path(f"/proc/{self.init}/root{path}")
        beside = target.with_name(f".{target.name}.new")
        beside.write_text(text)
        beside.rename(target)

    def remove(self, path: str) -> None:
        Path(f"/proc/{self.init}/root{path}").unlink()

    @staticmethod
    def until(what: str, holds: Callable[[], bool], patience: float = PATIENCE) -> None:
        deadline = time.monotonic() + patience
        while not holds():
            assert time.monotonic() < deadline, f"waited {patience} s in vain until {what}"
            time.sleep(0.05)  # what is asked lives in another system; there is nothing here to wait on

    def close(self) -> None:
        if hasattr(self, "_nspawn"):
            self._nspawn.terminate()
            try:
                self._nspawn.wait(20)
            except subprocess.TimeoutExpired:
                # The second time it does not wait for the container's init. Killed, it would leave that behind.
                self._nspawn.terminate()
                self._nspawn.wait()
            self._console.close()
        discard(self._work)
