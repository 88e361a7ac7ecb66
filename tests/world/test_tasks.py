"""The programs of the task types as real processes: against a real server, a real engine, and by the real runner."""

from __future__ import annotations

import json
import os
import pwd
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from jobschedd.ctl.schema import schema
from jobschedd.model.error import BadFile
from jobschedd.model.job import parse
from jobschedd.model.launch import Launch
from jobschedd.model.timing import Defaults
from jobschedd.tasks.http_request import CannotRequest, Exchange, Target
from jobschedd.world.task_types import InstalledTaskTypes
from tests.world.test_runs import Runs, as_root

PROJECT = Path(__file__).parents[2]
PATIENCE = 60.0
SECRET = "hunter2-and-more"


def launch(defaults: Defaults | None = None, **task: Any) -> Launch:
    values = {"job_id": "job", "schedule": "* * * * *", "task": task}
    return parse("x.json", "x", json.dumps(values).encode(), defaults or Defaults()).launch()


def circumstances(made: Launch) -> dict[str, Any]:
    return {name: getattr(made, name) for name in ("user", "cwd", "umask", "env", "stdin", "timezone")}


@pytest.fixture
def runs() -> Iterator[Runs]:
    made = Runs()
    yield made
    shutil.rmtree(made.directory)
    made.process.close()


def finish(made: Launch, **env: str) -> tuple[int, str]:
    """Run what a task has become, with this beside what every run is told; its exit code and output."""
    told = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "JOBSCHEDD_RUN_ID": "run", "JOBSCHEDD_JOB_ID": "job"}
    done = subprocess.run(
        made.argv,
        input=made.stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        env=told | env,
        timeout=PATIENCE,
    )
    return done.returncode, done.stdout


# -- execute_command ---------------------------------------------------------------------------------------------


@pytest.mark.fault("A25")
def test_the_words_of_a_list_reach_the_program_as_they_are(runs: Runs) -> None:
    words = ["-n", "--", "", "$(id)", "`id`", "a b", "*", ";exit 3", "\\", "é", "a\nb"]
    show = "import sys, json; print(json.dumps(sys.argv[1:]))"
    made = launch(type="execute_command", command=[sys.executable, "-c", show, *words])
    assert json.loads(runs.finish(*made.argv)[1]) == words


@pytest.mark.fault("A23")
def test_the_variables_of_a_job_reach_the_job_and_nobody_else(runs: Runs) -> None:
    env = {
        "LD_LIBRARY_PATH": "/nonexistent",
        "PYTHONPATH": "/nonexistent",
        "A": "x\ny",
        "EMPTY": "",
        "PATH": "relative",
    }
    made = launch(type="execute_command", command=["/usr/bin/env", "-0"], env=env)
    output = runs.finish(*made.argv, **circumstances(made))[1]
    assert env.items() <= dict(line.split("=", 1) for line in output.split("\0") if "=" in line).items()
    assert runs.shell("echo ${A-unset}") == "unset\n"


# -- http_request ------------------------------------------------------------------------------------------------


@dataclass
class Site:
    """A web server whose answers a test writes down."""

    server: ThreadingHTTPServer
    pages: dict[str, tuple[int, dict[str, str], bytes]] = field(default_factory=dict)
    asked: list[tuple[str, str, dict[str, str], bytes]] = field(default_factory=list)
    scheme: str = "http"

    def url(self, path: str = "/", host: str = "127.0.0.1") -> str:
        return f"{self.scheme}://{host}:{self.server.server_port}{path}"


def serve(tls: ssl.SSLContext | None = None) -> Site:
    class Answering(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            site.asked.append((self.command, self.path, {k.lower(): v for k, v in self.headers.items()}, body))
            status, headers, content = site.pages.get(self.path.partition("?")[0], (404, {}, b"nothing here"))
            self.send_response(status)
            for name, text in headers.items():
                self.send_header(name, text)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

        do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_GET  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    class Quiet(ThreadingHTTPServer):
        def handle_error(self, *_: object) -> None:
            """Clients that hang up are what some tests are about."""

    site = Site(Quiet(("127.0.0.1", 0), Answering), scheme="https" if tls else "http")
    if tls:
        site.server.socket = tls.wrap_socket(site.server.socket, server_side=True)
    threading.Thread(target=site.server.serve_forever, args=(0.01,), daemon=True).start()
    return site


@pytest.fixture
def site() -> Iterator[Site]:
    made = serve()
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of localhost, signed by nobody but itself, with its key."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    request = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost"
    names = ["-addext", "subjectAltName=DNS:localhost", "-keyout", f"{path}.key", "-out", str(path)]
    subprocess.run([*request.split(), *names], check=True, capture_output=True)
    path.write_text(path.read_text() + Path(f"{path}.key").read_text())
    path.parent.chmod(0o755)
    path.chmod(0o644)  # the request is sent by nobody
    for above in path.parents[1:3]:
        above.chmod(0o755)
    return path


@pytest.fixture
def secure(certificate: Path) -> Iterator[Site]:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate)
    made = serve(tls)
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture
def deaf() -> Iterator[int]:
    """The port of somebody who takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening.getsockname()[1]


def request(url: str, **keys: Any) -> tuple[int, str]:
    return finish(launch(type="http_request", url=url, **keys))


def test_an_expected_answer_is_success_and_is_shown(site: Site) -> None:
    site.pages["/ping"] = (200, {}, "all is well, très bien\n".encode())
    code, output = request(site.url("/ping?a=b"))
    first, second = output.splitlines()
    assert (code, second) == (0, "| all is well, très bien")
    assert first.startswith("200 OK, 24 bytes, ")
    assert first.endswith(" ms")
    ((method, path, headers, body),) = site.asked
    assert (method, path, body) == ("GET", "/ping?a=b", b"")
    assert headers["user-agent"].startswith("jobschedd/")


def test_an_unexpected_answer_is_a_failure_that_says_what_was_expected(site: Site) -> None:
    code, output = request(site.url("/"))
    assert code == 1
    assert output.splitlines()[1:] == ["| nothing here", "cannot take 404 for success; expected was 200-299"]
    assert request(site.url("/"), expect_status=[200, "400-404"])[0] == 0


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "GET"])
def test_the_server_gets_what_the_file_says(site: Site, method: str) -> None:
    site.pages["/"] = (201, {}, b"")
    headers = {"X-Key": SECRET, "Content-Type": "application/json", "User-Agent": "me", "Accept": "text/plain"}
    assert request(site.url("/"), method=method, headers=headers, body='{"a": "ü"}')[0] == 0
    ((asked, _, got, body),) = site.asked
    assert (asked, body) == (method, '{"a": "ü"}'.encode())
    assert {name.lower(): text for name, text in headers.items()}.items() <= got.items()


def test_a_name_and_password_in_the_url_are_basic_authentication(site: Site) -> None:
    url = site.url("/").replace("http://", "http://me:p%40ss@")
    request(url)
    assert site.asked[0][2]["authorization"] == "Basic bWU6cEBzcw=="
    request(url, headers={"authorization": "Bearer x"})
    assert site.asked[1][2]["authorization"] == "Bearer x"


@pytest.mark.fault("A30")
def test_the_body_of_an_answer_forges_no_line_and_no_level(site: Site) -> None:
    site.pages["/"] = (200, {}, b"<0>panic\nx\x1b[2Jy\rz\r\n\xff\xe2\x80\xae\n200 OK, 1 bytes, 1 ms")
    code, output = request(site.url("/"))
    assert code == 0
    assert output.splitlines()[1:] == [
        "| <0>panic", "| x\\x1b[2Jy\\rz", "| \\xff\\u202e", "| 200 OK, 1 bytes, 1 ms",
    ]  # fmt: skip


def test_only_the_beginning_of_a_long_body_is_shown_and_not_all_of_it_is_read(site: Site) -> None:
    site.pages["/"] = (200, {}, b"x" * 3_000_000)
    code, output = request(site.url("/"))
    assert code == 0
    assert output.startswith("200 OK, more than 1048576 bytes, ")
    assert output.splitlines()[1] == "| " + "x" * 4096


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
        return port


def told(words: bytes) -> str:
    """The URL of a server that says these words to the first who asks, and hangs up."""
    listening = socket.create_server(("127.0.0.1", 0))

    def answer() -> None:
        with listening, listening.accept()[0] as connection:
            connection.recv(65536)
            connection.sendall(words)

    threading.Thread(target=answer, daemon=True).start()
    return f"http://127.0.0.1:{listening.getsockname()[1]}"


@pytest.mark.fault("A43")
@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda: f"http://127.0.0.1:{closed_port()}", "refused the connection: nothing listens there"),
        (lambda: "http://nobody.invalid", "the host nobody.invalid was not found"),
        (lambda: f"http://{'x' * 64}.example", "is not the name of a host"),
        (lambda: told(b""), "ended the connection before its answer was whole"),
        (lambda: told(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx"), "ended the connection before its answer was whole"),
        (lambda: told(b"220 mail.example.org ESMTP\r\n"), "does not answer in HTTP"),
        (lambda: told(b"\0" * 100_000), "does not answer in HTTP"),
        (lambda: told(b"").replace("http:", "https:"), "does not speak TLS"),
        (lambda: told(b"SSH-2.0-OpenSSH\r\n").replace("http:", "https:"), "does not speak TLS as we do"),
    ],
)  # fmt: skip
def test_what_went_wrong_is_said_in_words_without_secrets(make: Callable[[], str], expected: str) -> None:
    scheme, _, host = make().partition("://")
    keys = {"headers": {"Authorization": SECRET}, "body": SECRET}
    code, output = request(f"{scheme}://{SECRET}:{SECRET}@{host}/{SECRET}?key={SECRET}#{SECRET}", **keys)
    assert code == 1
    assert output.startswith(f"cannot GET {scheme}://{host}: ")
    assert expected in output
    assert output.count("\n") == 1
    assert SECRET not in output


def test_a_certificate_has_to_be_trusted_and_of_the_host(secure: Site, certificate: Path) -> None:
    secure.pages["/"] = (200, {}, b"")
    named = launch(type="http_request", url=secure.url("/", "localhost"))
    code, output = finish(named)
    assert code == 1
    assert f"the certificate of {secure.url('', 'localhost')} is not trusted: self" in output
    assert finish(named, SSL_CERT_FILE=str(certificate))[0] == 0
    code, output = finish(launch(type="http_request", url=secure.url("/")), SSL_CERT_FILE=str(certificate))
    assert code == 1
    assert "is not trusted: IP address mismatch" in output


def test_who_does_not_answer_is_waited_for_as_long_as_the_file_says(deaf: int) -> None:
    code, output = request(f"http://127.0.0.1:{deaf}/{SECRET}", timeout="300ms")
    assert (code, output) == (
        1,
        f"cannot GET http://127.0.0.1:{deaf}: no whole answer of http://127.0.0.1:{deaf} within 0.3 s\n",
    )


def test_an_answer_that_trickles_does_not_last_longer_than_that() -> None:
    listening = socket.create_server(("127.0.0.1", 0))
    over = threading.Event()

    def trickle() -> None:
        with listening, listening.accept()[0] as connection:
            connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            while not over.wait(0.02):
                connection.sendall(b"x")

    threading.Thread(target=trickle, daemon=True).start()
    code, output = request(f"http://127.0.0.1:{listening.getsockname()[1]}", timeout="500ms")
    over.set()
    assert code == 1
    assert "no whole answer" in output


def to(location: str, status: int = 302) -> tuple[int, dict[str, str], bytes]:
    return status, {"Location": location}, b""


def test_redirects_of_a_get_are_followed_and_at_home_with_all_headers(site: Site) -> None:
    site.pages |= {"/": to("/a", 301), "/a": to(site.url("/b%20c d"), 307), "/b%20c%20d": (200, {}, b"here")}
    assert request(site.url("/"), headers={"Authorization": SECRET})[1].splitlines()[1] == "| here"
    assert [asked[2]["authorization"] for asked in site.asked] == [SECRET] * 3


@pytest.mark.fault("A42")
def test_nothing_of_the_request_is_sent_on_to_another_host(site: Site) -> None:
    other = serve()
    site.pages["/"] = to(other.url("/there", "localhost"))
    other.pages |= {"/there": to(site.url("/back")), "/back": (200, {}, b"")}
    site.pages["/back"] = (200, {}, b"")
    headers = {"Authorization": SECRET, "Cookie": SECRET, "X-Api-Key": SECRET, "Accept": "text/plain"}
    assert request(site.url("/").replace("//", f"//me:{SECRET}@"), headers=headers, body=SECRET)[0] == 0
    ((_, _, got, body),) = other.asked
    assert SECRET not in str(got)
    assert (body, got["accept"]) == (b"", "text/plain")
    assert site.asked[-1][2]["x-api-key"] == SECRET
    other.server.shutdown()
    other.server.server_close()


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_what_changes_something_is_not_sent_twice(site: Site, method: str) -> None:
    site.pages |= {"/": to("/a", 307), "/a": (200, {}, b"")}
    code, output = request(site.url("/"), method=method)
    assert (code, len(site.asked)) == (1, 1)
    assert "cannot take 307 for success" in output


def test_a_redirect_that_is_expected_is_the_answer(site: Site) -> None:
    site.pages["/"] = to("/a")
    assert request(site.url("/"), expect_status=302)[0] == 0
    assert len(site.asked) == 1


@pytest.mark.fault("A42")
@pytest.mark.parametrize(
    ("location", "expected"),
    [
        ("/", "through more than 5 redirects"),
        (f"file:///etc/{SECRET}", "neither http nor https"),
        (f"http://[::1/{SECRET}", "an address that cannot be read"),
        (f"http://localhost:x/{SECRET}", "an address that cannot be read"),
        ("http://\x1b(0.invalid/", "an address that cannot be read"),
        (f"//{SECRET}@nobody.invalid/", "the host nobody.invalid was not found"),
    ],
)
def test_a_redirect_that_leads_astray_is_not_followed(site: Site, location: str, expected: str) -> None:
    site.pages["/"] = to(location)
    code, output = request(site.url("/"))
    assert code == 1
    assert expected in output
    assert SECRET not in output
    assert len(site.asked) == (6 if location == "/" else 1)


@pytest.mark.fault("A42")
def test_a_redirect_leads_neither_out_of_tls_nor_from_outside_to_inside(
    site: Site, secure: Site, certificate: Path
) -> None:
    secure.pages["/"] = to(site.url("/"))
    made = launch(type="http_request", url=secure.url("/", "localhost"))
    code, output = finish(made, SSL_CERT_FILE=str(certificate))
    assert code == 1
    assert "leads from https to http://127.0.0.1" in output
    # There is no public host here: as if one had led to this one.
    target = Target(site.url("/"))
    exchange = Exchange(json.loads(made.stdin or ""))
    with pytest.raises(CannotRequest, match=r"a public host leads to http://127\.0\.0\.1:[0-9]+, which is not public"):
        exchange._ask(target, target, public=True)
    assert site.asked == []


@as_root
@pytest.mark.fault("A43")
def test_a_request_is_sent_by_nobody_and_shows_its_secrets_to_nobody() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        url = f"http://127.0.0.1:{listening.getsockname()[1]}/{SECRET}"
        made = launch(type="http_request", url=url, headers={"A": SECRET}, body=SECRET)
        asking = subprocess.Popen(made.argv, stdin=subprocess.PIPE, text=True, extra_groups=[0, 4], env={})
        assert asking.stdin is not None
        asking.stdin.write(made.stdin or "")
        asking.stdin.close()
        with listening.accept()[0]:
            proc = Path(f"/proc/{asking.pid}")
            status = dict(line.split(":\t", 1) for line in (proc / "status").read_text().splitlines())
            nobody = pwd.getpwnam("nobody")
            assert status["Uid"].split() == [str(nobody.pw_uid)] * 4
            assert status["Gid"].split() == [str(nobody.pw_gid)] * 4
            assert status["Groups"].strip() == ""
            assert SECRET not in (proc / "cmdline").read_text() + (proc / "environ").read_text()
            assert (proc / "mem").stat().st_uid == 0, "another process of nobody's could look into it"
            asking.terminate()
        assert asking.wait(PATIENCE) == -signal.SIGTERM


@as_root
def test_a_request_may_be_sent_by_somebody_else(runs: Runs, site: Site) -> None:
    games = pwd.getpwnam("games")
    try:
        subprocess.run([sys.executable, "-c", ""], user=games.pw_uid, group=games.pw_gid, extra_groups=[], check=True)
    except PermissionError:
        pytest.skip("this Python is where others may not read it")
    site.pages["/"] = (200, {}, b"")
    made = launch(type="http_request", url=site.url("/"), user="games")
    assert runs.finish(*made.argv, **circumstances(made))[0].ending.exit_code == 0


# -- container ---------------------------------------------------------------------------------------------------


ENGINE = """#!/bin/sh
for word; do printf '[%s]' "$word"; done; echo
for word; do case $word in --env-file=*) cat "${word#--env-file=}";; --env=*) eval "echo \\"\\$${word#--env=}\\"";; esac; done
exit 37
"""
"""Shows what an engine is given."""


@pytest.fixture
def engine(tmp_path: Path) -> str:
    (tmp_path / "docker").write_text(ENGINE)
    (tmp_path / "docker").chmod(0o755)
    return f"{tmp_path}:/usr/bin:/bin"


@pytest.mark.fault("A43")
def test_the_engine_gets_names_by_its_arguments_and_values_by_other_ways(engine: str) -> None:
    env = {"TOKEN": SECRET, "ODD": f'two\nlines "{SECRET}"', "PATH": "/opt/bin", "JOBSCHEDD_RUN_ID": "mine"}
    made = launch(
        type="container", engine="docker", image="x", args=["-a", "$b"], env=env, volumes=["/a:/b"], pull="always"
    )
    code, output = finish(made, PATH=engine, TZ="Asia/Tokyo")
    argv, rest = output.split("\n", 1)
    assert code == 37
    assert argv == (
        "[run][--rm][--name=jobschedd-run][--pull=always][--label=io.jobschedd.job=job][--env-file=/proc/self/fd/3]"
        "[--env=JOBSCHEDD_JOB_ID][--env=TZ][--env=ODD][--volume=/a:/b][--][x][-a][$b]"
    )
    assert rest == f'TOKEN={SECRET}\nPATH=/opt/bin\nJOBSCHEDD_RUN_ID=mine\njob\nAsia/Tokyo\ntwo\nlines "{SECRET}"\n'


@pytest.mark.parametrize(("engine_name", "other"), [("podman", "docker"), ("docker", "podman")])
def test_an_engine_that_is_not_there_is_named(engine_name: str, other: str) -> None:
    made = launch(type="container", image="x", engine=engine_name)
    assert finish(made, PATH="/nonexistent") == (
        125,
        f'cannot run a container: {engine_name} is not installed; install it, or write "engine": "{other}"\n',
    )


FETCHING = """#!/bin/sh
[ "$1" = stop ] && exit 1
echo fetching; exec sleep 600
"""
"""An engine that has no container yet."""


def test_a_run_that_is_stopped_while_its_image_is_fetched_ends(engine: str) -> None:
    Path(engine.partition(":")[0], "docker").write_text(FETCHING)
    made = launch(type="container", engine="docker", image="x")
    told = {"PATH": engine, "JOBSCHEDD_RUN_ID": "run", "JOBSCHEDD_JOB_ID": "job"}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    process = subprocess.Popen(made.argv, env=told, text=True, **pipes)
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(made.stdin or "")
    process.stdin.close()
    assert process.stdout.readline() == "fetching\n"
    process.terminate()
    assert process.wait(PATIENCE) == 128 + signal.SIGTERM
    process.stdout.close()


OWN_CGROUPS = """
mount --make-rprivate /
umount --recursive --lazy /sys/fs/cgroup
mount -t cgroup2 cgroup2 /sys/fs/cgroup
exec "$@"
"""
"""A hierarchy of version 2 alone, which podman's runtime wants, whatever this machine has."""

CONTAINERS_CONF = """
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=100:100"]
netns = "none"
"""


class Podman:
    """podman with a store of its own, and an image of this machine's programs."""

    def __init__(self, directory: Path) -> None:
        (directory / "conf").write_text(CONTAINERS_CONF)
        store = f'[storage]\ndriver = "vfs"\ngraphroot = "{directory}/store"\nrunroot = "{directory}/run"\n'
        (directory / "storage").write_text(store)
        image = directory / "image"
        (image / "usr").mkdir(parents=True)
        for name in ("bin", "lib", "lib64", "sbin"):
            (image / name).symlink_to(f"usr/{name}")
        self.env = {
            "CONTAINERS_CONF": str(directory / "conf"),
            "CONTAINERS_STORAGE_CONF": str(directory / "storage"),
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
            "JOBSCHEDD_JOB_ID": "job",
            "JOBSCHEDD_RUN_ID": f"run-{os.getpid()}",
        }
        subprocess.run(["tar", "-C", image, "-cf", directory / "image.tar", "."], check=True)
        self.call("import", str(directory / "image.tar"), "localhost/jobschedd-test:1")

    def call(self, *words: str) -> str:
        done = subprocess.run(
            ["unshare", "-mC", "sh", "-ec", OWN_CGROUPS, "sh", "podman", *words],
            env=self.env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def start(self, script: str, **keys: Any) -> subprocess.Popen[str]:
        made = launch(
            type="container",
            image="localhost/jobschedd-test:1",
            args=["sh", "-c", script],
            volumes=["/usr:/usr:ro"],
            pull="never",
            **keys,
        )
        process = subprocess.Popen(
            ["unshare", "-mC", "sh", "-ec", OWN_CGROUPS, "sh", *made.argv],
            env=self.env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert process.stdin is not None
        process.stdin.write(made.stdin or "")
        process.stdin.close()
        process.stdin = None
        return process


@pytest.fixture(scope="module")
def podman(tmp_path_factory: pytest.TempPathFactory) -> Podman:
    if os.geteuid() != 0:
        pytest.skip("only root can give podman a hierarchy of its own")
    if missing := [tool for tool in ("podman", "crun", "unshare") if shutil.which(tool) is None]:
        pytest.skip(f"{missing[0]} is not installed")
    made = Podman(tmp_path_factory.mktemp("podman"))
    process = made.start("true")
    said = process.communicate(timeout=PATIENCE)[0]
    if process.returncode:
        pytest.skip(f"podman cannot run a container here: {said.strip()}")
    return made


@pytest.mark.slow
def test_a_container_runs_is_told_its_run_and_ends_the_run_as_it_ends(podman: Podman) -> None:
    env = {"PATH": "/usr/bin:/x", "ODD": "two\n'lines'", "SPACE": " x ", "EMPTY": "", "PLAIN": "a=b $HOME"}
    process = podman.start("env -0; exit 7", env=env)
    output = process.communicate(timeout=PATIENCE)[0]
    assert process.returncode == 7, output
    inside = dict(line.split("=", 1) for line in output.split("\0") if "=" in line)
    assert env.items() <= inside.items()
    assert inside["JOBSCHEDD_RUN_ID"] == podman.env["JOBSCHEDD_RUN_ID"]
    assert podman.call("ps", "--all", "--quiet") == ""


@pytest.mark.slow
@pytest.mark.fault("F35")
def test_a_container_that_ignores_the_stop_of_its_run_is_killed_and_tidied_up(podman: Podman) -> None:
    process = podman.start("trap 'echo asked' TERM; echo up $$; while :; do sleep 1; done")
    assert process.stdout is not None
    assert process.stdout.readline() == "up 1\n"
    process.terminate()
    output = process.communicate(timeout=PATIENCE)[0]
    assert "asked" in output
    assert process.returncode == 137, "killed, as a shell says it"
    assert podman.call("ps", "--all", "--quiet") == ""


# -- start_unit --------------------------------------------------------------------------------------------------


@pytest.mark.skipif(os.path.isdir("/run/systemd/system"), reason="systemd runs this machine")
def test_without_systemd_a_unit_is_refused_in_words() -> None:
    made = launch(type="start_unit", unit="backup.service")
    assert finish(made) == (1, "cannot start backup.service: systemd does not run this machine\n")


# -- of other packages -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory of the import path with the package of the example in it."""
    target = tmp_path_factory.mktemp("site")
    source = target.parent / "source"
    shutil.copytree(PROJECT / "examples/jobschedd-archive", source, dirs_exist_ok=True)
    pip = (sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--no-deps")
    subprocess.run([*pip, "--no-build-isolation", "--target", target, source], check=True)
    return target


def entry_point(directory: Path, package: str, *lines: str) -> None:
    made = directory / f"{package}-1.0.dist-info"
    made.mkdir()
    (made / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    (made / "entry_points.txt").write_text("\n".join(("[jobschedd.tasks]", *lines, "")))


def problem(types: InstalledTaskTypes, **task: Any) -> str:
    with pytest.raises(BadFile) as caught:
        launch(Defaults(tasks=types), **task)
    (found,) = caught.value.problems
    return str(found)


def test_the_example_of_a_type_is_installed_and_its_job_runs(
    installed: Path, runs: Runs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = {
        "type": "archive",
        "directory": str(tmp_path / "in"),
        "into": str(tmp_path / "-out.tar.gz"),
        "exclude": ["*.log"],
    }
    assert 'cannot find a task type "archive"' in problem(InstalledTaskTypes(), **task)
    monkeypatch.syspath_prepend(str(installed))
    (tmp_path / "in").mkdir()
    for name in ("a.txt", "b.log"):
        (tmp_path / "in" / name).write_text(name)
    made = launch(Defaults(tasks=InstalledTaskTypes()), **task)
    ended, output = runs.finish(*made.argv, **circumstances(made))
    assert (ended.ending.exit_code, output) == (0, "")
    listed = subprocess.run(
        ["tar", "--list", "--file", tmp_path / "-out.tar.gz"], capture_output=True, text=True, check=True
    )
    assert listed.stdout.split() == ["./", "./a.txt"]
    assert "cannot use" in problem(InstalledTaskTypes(), **task | {"into": "out.tar"})


def test_the_schema_knows_the_types_that_are_installed(
    installed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from jsonschema import Draft202012Validator

    entry_point(tmp_path, "broken", "broken = no_such_module:Task")
    monkeypatch.syspath_prepend(str(installed))
    monkeypatch.syspath_prepend(str(tmp_path))
    made = schema(InstalledTaskTypes())
    Draft202012Validator.check_schema(made)
    validator = Draft202012Validator(made)
    task = {"type": "archive", "directory": "/etc", "into": "/srv/etc.tar"}
    job = {"job_id": "a", "schedule": "@daily", "task": task}
    assert validator.is_valid(job)
    assert not validator.is_valid(job | {"task": task | {"dir": "x"}})
    assert not Draft202012Validator(schema()).is_valid(job)
    assert "warning: cannot load the task type broken from broken 1.0 (no_such_module:Task)" in capsys.readouterr().err


def test_a_package_that_cannot_be_imported_harms_its_own_type_alone(
    installed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry_point(tmp_path, "broken", "broken = no_such_module:Task", "execute_command = no_such_module:Task")
    entry_point(tmp_path, "rival", "archive = no_such_module:Archive", "absent = json:Absent")
    monkeypatch.syspath_prepend(str(tmp_path))
    types = InstalledTaskTypes()
    assert launch(Defaults(tasks=types), type="execute_command", command=["x"]).argv == ("x",)
    assert problem(types, type="broken").startswith(
        "task: cannot load the task type broken from broken 1.0 (no_such_module:Task): ModuleNotFoundError: No module named"
        " 'no_such_module'"
    )
    assert "json:Absent): AttributeError" in problem(types, type="absent")
    monkeypatch.syspath_prepend(str(installed))
    found = problem(InstalledTaskTypes(), type="archive")
    assert "jobschedd-archive 1.0 (jobschedd_archive:Archive)" in found
    assert "rival 1.0 (no_such_module:Archive)" in found
    assert "uninstall all but one" in found


def test_nothing_is_looked_for_before_a_file_names_what_is_not_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    from jobschedd.world import task_types

    def look(**_: object) -> Any:
        raise AssertionError

    monkeypatch.setattr(task_types, "entry_points", look)
    assert launch(Defaults(tasks=InstalledTaskTypes()), type="start_unit", unit="a.service").argv
