"""io.jobschedd, asked as a client would: every method, and who may call it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from inspect import Parameter, signature
from pathlib import Path
from typing import Any

import pytest
from varlink import scanner

from jobschedd.control.service import Service
from tests.test_daemon import EVERY_SECOND, Process, as_root, ran, start
from tests.varlink import Client, Refusal

__all__ = ["start"]

NEVER_SOON = "0 3 1 1 *"
Begin = Callable[..., Process]


@pytest.fixture
def daemon(start: Begin) -> Process:
    process = start()
    process.ready()
    return process


@pytest.fixture
def client(daemon: Process) -> Iterator[Client]:
    made = Client(daemon.runtime / "io.jobschedd")
    yield made
    made.socket.close()


def loaded(daemon: Process, job: str, *args: Any, **keys: Any) -> None:
    daemon.put(f"{job}.json", job, *args, **keys)
    daemon.until("job_loaded", ran(job))


def interface() -> scanner.Interface:
    return scanner.Interface((Path(__file__).parents[1] / "jobschedd/control/io.jobschedd.varlink").read_text())


def test_the_interface_names_what_is_there_and_takes_what_it_says() -> None:
    described = {name: kind for name, kind in interface().members.items() if type(kind).__name__ == "_Method"}
    house: Any = type("House", (), {"listen": None})()
    methods = {
        name.removeprefix("io.jobschedd."): method.function
        for name, method in Service(house).methods.items()
        if name.startswith("io.jobschedd.")
    }
    assert described.keys() == methods.keys()
    for name, function in methods.items():
        taken = {key for key, item in signature(function).parameters.items() if item.kind is Parameter.KEYWORD_ONLY}
        assert taken == set(described[name].in_type.fields), name


def test_status_says_how_it_is(daemon: Process, client: Client) -> None:
    loaded(daemon, "a", NEVER_SOON)
    (daemon.jobs / "bad.json").write_text("{")
    daemon.until("problem_found")
    status = client.ask("Status")["daemon"]
    assert status["pid"] == daemon.pid
    assert (status["jobs"], status["problems"], status["running"], status["waiting"]) == (1, 1, 0, 0)
    assert status["next_due"].endswith("-01-01T03:00:00Z")
    assert (status["degraded"], status["stopping"], status["log_format"]) == (None, False, "json")
    assert status["jobs_dirs"] == [str(daemon.jobs)]


def test_list_tells_jobs_by_id_with_what_became_of_them_and_files_that_are_none(
    daemon: Process, client: Client
) -> None:
    loaded(daemon, "b", NEVER_SOON, enabled=False, description="off")
    loaded(daemon, "a", EVERY_SECOND, command="exit 3")
    daemon.until("run_ended", ran("a"))
    (daemon.jobs / "bad.json").write_text('{"job_id": "x"}')
    daemon.until("problem_found")
    (daemon.jobs / "b.json").write_text("{")
    daemon.until("problem_found")
    answer = client.ask("List")
    first, second = answer["jobs"]
    assert (first["job_id"], first["user"], first["enabled"]) == (
        "a",
        "root" if os.getuid() == 0 else first["user"],
        True,
    )
    assert (first["last"]["outcome"], first["last"].get("exit_code")) in {("failed", 3), ("running", None)}
    assert (second["job_id"], second["enabled"], second["next_due"]) == ("b", False, None)
    assert second["problem"].startswith("cannot read")
    assert {Path(problem["file"]).name: problem["keeps"] for problem in answer["problems"]} == {
        "bad.json": None,
        "b.json": "b",
    }
    assert [job["job_id"] for job in client.ask("List", glob="b*")["jobs"]] == ["b"]
    assert client.ask("List", glob="nothing*") == {"jobs": [], "problems": []}


def test_a_long_list_comes_in_several_replies(daemon: Process, client: Client) -> None:
    for number in range(200):
        daemon.put(f"{number:03}.json", f"j{number:03}", NEVER_SOON, description="ü" * 4_000)
    while client.ask("Status")["daemon"]["jobs"] < 200:
        pass
    replies = list(client.follow("List"))
    assert [job["job_id"] for reply in replies for job in reply["jobs"] if "jobs" in reply] == [
        f"j{number:03}" for number in range(200)
    ]
    assert all(len(json.dumps(reply)) <= 64 * 1024 for reply in replies)
    assert len(client.ask("List")["jobs"]) == 200


def test_a_list_tells_what_starts_a_job_that_has_no_schedule(daemon: Process, client: Client, tmp_path: Path) -> None:
    loaded(daemon, "a", NEVER_SOON)
    loaded(daemon, "b", None, after=["a", {"job": "c", "on": "failure"}])
    loaded(daemon, "d", None, watch={"path": f"{tmp_path}/*.csv"})
    triggers = {job["job_id"]: job["trigger"] for job in client.ask("List")["jobs"]}
    assert triggers == {"a": None, "b": "after a, c (failure)", "d": f"watch {tmp_path}/*.csv"}


def test_show_tells_what_is_in_force_where_it_stands_and_what_it_stands_before(tmp_path: Path, start: Begin) -> None:
    low = tmp_path / "low"
    low.mkdir(0o755)
    daemon = start("--jobs-dir", str(low))
    daemon.ready()
    client = Client(daemon.runtime / "io.jobschedd")
    loaded(daemon, "a", NEVER_SOON, command=["true"], timeout="90s")
    (low / "a.json").write_bytes((daemon.jobs / "a.json").read_bytes())
    daemon.put("z.json", "a", NEVER_SOON)
    daemon.until("problem_found")
    shown = client.ask("Show", job_id="a")
    assert shown["files"] == [
        {"path": str(daemon.jobs / "a.json"), "standing": "in_force"},
        {"path": str(low / "a.json"), "standing": "shadowed"},
        {"path": str(daemon.jobs / "z.json"), "standing": "rival"},
    ]
    (daemon.jobs / "z.json").unlink()
    (daemon.jobs / "a.json").unlink()
    daemon.until("job_loaded", ran("a"))
    (daemon.jobs / ".a").write_text("{")  # in one piece: a file that is empty is a mask
    (daemon.jobs / ".a").rename(daemon.jobs / "a.json")
    daemon.until("problem_found")
    files = client.ask("Show", job_id="a")["files"]
    assert [(file["path"], file["standing"]) for file in files] == [
        (str(low / "a.json"), "in_force"),
        (str(daemon.jobs / "a.json"), "broken"),
    ]
    (low / "a.json").unlink()
    assert [file["standing"] for file in client.ask("Show", job_id="a")["files"]] == ["gone", "broken"]
    assert shown["definition"]["task"]["command"] == ["true"]
    assert shown["definition"]["timeout"] == "1min 30s"
    assert len(shown["coming"]) == 5
    assert shown["runs"] == []
    # A file that is spoilt changes nothing of what is in force.
    (daemon.jobs / ".a").write_text("[")
    (daemon.jobs / ".a").rename(daemon.jobs / "a.json")
    daemon.until("problem_found")
    again = client.ask("Show", job_id="a")
    assert again["definition"] == shown["definition"]
    assert again["job"]["problem"]
    client.socket.close()


def test_next_merges_all_jobs_in_one_order(daemon: Process, client: Client) -> None:
    loaded(daemon, "hourly", "0 * * * *")
    loaded(daemon, "half", "*/30 * * * *")
    loaded(daemon, "paused", "* * * * *")
    client.ask("Pause", job_id="paused")
    due = client.ask("Next", limit=20)["instants"]
    moments = [entry["scheduled_at"] for entry in due]
    assert moments == sorted(moments)
    assert len(due) == 20
    assert {entry["job_id"] for entry in due} == {"hourly", "half"}
    assert [entry["job_id"] for entry in due if entry["scheduled_at"] == due[3]["scheduled_at"]] in (
        ["half"],
        ["half", "hourly"],
    )
    assert client.ask("Next", until="2026-01-01T00:00:00Z") == {"instants": []}
    assert len([entry for reply in client.follow("Next", limit=1000) for entry in reply["instants"]]) in {71, 72, 73}


def test_run_starts_a_job_and_follows_it_to_its_end(daemon: Process, client: Client) -> None:
    loaded(daemon, "a", NEVER_SOON, command="echo one; echo two >&2; printf three; exit 7", enabled=False)
    replies = list(client.follow("Run", job_id="a"))
    run_id = replies[0]["run_id"]
    entries = [entry for reply in replies for entry in reply.get("entries") or ()]
    assert {entry["run_id"] for entry in entries} == {run_id}
    assert sorted(entry["text"] for entry in entries if entry["event"] == "output") == ["one", "three", "two"]
    events = [entry["event"] for entry in entries if entry["event"] != "output"]
    assert events == ["run_due", "run_started", "run_ended"]
    run = replies[-1]["run"]
    assert (run["outcome"], run["exit_code"], run["cause"], run["uid"]) == ("failed", 7, "manual", os.getuid())
    daemon.stop()
    record = subprocess.run(
        [sys.executable, "-m", "jobschedd.ctl", "history", "a", "--json", "--state-dir", daemon.state],
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    kept = json.loads(record.stdout)
    assert {key: kept[key] for key in run if run[key] is not None} == {
        key: value for key, value in run.items() if value is not None
    }
    assert run.keys() == kept.keys(), "the same keys, known or not"


def test_run_says_why_a_job_is_not_started(daemon: Process, client: Client) -> None:
    loaded(daemon, "a", NEVER_SOON, command="exec sleep 100")
    client.ask("Run", job_id="a")
    daemon.until("run_started")
    with pytest.raises(Refusal) as refusal:
        client.ask("Run", job_id="a")
    assert (refusal.value.error, refusal.value.parameters["reason"]) == (
        "NotStarted",
        "overlap: the last run is still going",
    )
    with pytest.raises(Refusal) as refusal:
        client.ask("Run", job_id="nope")
    assert (refusal.value.error, refusal.value.parameters) == ("NoSuchJob", {"job_id": "nope"})


def test_a_run_that_cannot_start_is_followed_to_that_end(daemon: Process, client: Client) -> None:
    loaded(daemon, "a", NEVER_SOON, command=["/does/not/exist"])
    run = list(client.follow("Run", job_id="a"))[-1]["run"]
    assert (run["outcome"], run["reason"]) == ("skipped", "cannot_start: no such program: /does/not/exist")
    assert run.keys() == client.ask("History", limit=1)["runs"][0].keys()


def test_stop_ends_a_run_by_its_id_or_its_job(daemon: Process, client: Client) -> None:
    loaded(daemon, "a", NEVER_SOON, command="exec sleep 100", overlap="queue")
    for name in ("run", "job"):
        run_id = client.ask("Run", job_id="a")["run_id"]
        daemon.until("run_started")
        assert client.ask("Stop", name=run_id if name == "run" else "a") == {"run_ids": [run_id]}
        ended = daemon.until("run_ended")
        assert (ended["JOBSCHEDD_OUTCOME"], ended["JOBSCHEDD_REASON"]) == ("stopped", f"stopped by uid {os.getuid()}")
    client.ask("Run", job_id="a")
    waiting = client.ask("Run", job_id="a")
    assert waiting["waits"] == "overlap: the last run has to end first"
    assert client.ask("Stop", name=waiting["run_id"]) == {"run_ids": [waiting["run_id"]]}
    assert client.ask("Status")["daemon"]["waiting"] == 0
    assert len(client.ask("Stop", name="a")["run_ids"]) == 1
    daemon.until("run_ended")
    assert client.ask("Stop", name="a") == {"run_ids": []}
    with pytest.raises(Refusal, match="NothingNamed"):
        client.ask("Stop", name="01ARZ3NDEKTSV4RRFFQ69G5FAV")


def test_pause_and_resume_say_whether_that_was_news(daemon: Process, client: Client) -> None:
    loaded(daemon, "a", NEVER_SOON)
    assert [client.ask(method, job_id="a")["changed"] for method in ("Pause", "Pause", "Resume", "Resume")] == [
        True, False, True, False,
    ]  # fmt: skip
    asked = [entry for entry in daemon.said if entry["event"] == "control_asked"]
    assert not asked or f"uid {os.getuid()}" in asked[0]["message"]
    with pytest.raises(Refusal, match="NoSuchJob"):
        client.ask("Pause", job_id="nope")


def test_reload_says_what_it_changed(daemon: Process, client: Client) -> None:
    for job in ("goes", "stays", "changes"):
        loaded(daemon, job, NEVER_SOON)
    (daemon.state.parent / "settings.toml").write_text('log_levle = "debug"\n')
    answer = client.ask("Reload")
    assert (answer["jobs"], answer["problems"], answer["changes"]) == (3, 0, [])
    assert 'did you mean "log_level"?' in answer["settings_refused"]
    # [defaults] change what the files mean without a change of the files.
    (daemon.state.parent / "settings.toml").write_text('[defaults]\noverlap = "queue"\n')
    answer = client.ask("Reload")
    assert sorted((change["change"], change["job_id"]) for change in answer["changes"]) == [
        ("replaced", "changes"), ("replaced", "goes"), ("replaced", "stays"),
    ]  # fmt: skip
    assert answer["settings_refused"] is None


def test_history_and_why_tell_the_record(daemon: Process, client: Client) -> None:
    loaded(daemon, "a", EVERY_SECOND, command="exit 3")
    daemon.until("run_ended")
    daemon.until("run_ended")
    rows = client.ask("History", glob="a", limit=1)["runs"]
    assert [row["job_id"] for row in rows] == ["a"]
    assert client.ask("History", glob="a", until="2026-01-01T00:00:00Z") == {"runs": []}
    answer = client.ask("Why", job_id="a", at=rows[0]["scheduled_at"])
    assert f"a ({EVERY_SECOND}) was due at" in answer["answer"]
    for wrong, parameter in (({"since": "yesterday"}, "since"), ({"outcome": "great"}, "outcome")):
        with pytest.raises(Refusal) as refusal:
            client.ask("History", **wrong)
        assert (refusal.value.error, refusal.value.parameters["parameter"]) == ("CannotRead", parameter)
    with pytest.raises(Refusal, match="NoSuchJob"):
        client.ask("Why", job_id="nope")


def test_logs_without_a_journal_can_be_followed_as_they_come(daemon: Process, client: Client) -> None:
    loaded(daemon, "a", NEVER_SOON, command="echo heard")
    with pytest.raises(Refusal, match="NoJournal"):
        client.ask("Logs", name="a")
    follower = client.follow("Logs", name="a", follow=True)
    other = Client(daemon.runtime / "io.jobschedd")
    client.send("Logs", more=True, name="a", follow=True)
    while not other.ask("Status"):
        pass
    other.ask("Run", job_id="a")
    texts: list[str] = []
    while "heard" not in texts:
        answer, _ = client.hear()
        texts += [entry["text"] for entry in answer["entries"]]
    follower.close()  # type: ignore[attr-defined]
    other.socket.close()


def test_watch_tells_what_happens_from_now_on(daemon: Process, client: Client) -> None:
    loaded(daemon, "a", NEVER_SOON)
    client.send("Watch", more=True, glob="b*")
    loaded(daemon, "c", NEVER_SOON)
    loaded(daemon, "b", NEVER_SOON)
    answer, continues = client.hear()
    assert continues
    assert (answer["entry"]["event"], answer["entry"]["job_id"]) == ("job_loaded", "b")


@pytest.mark.parametrize(
    ("method", "parameters", "error"),
    [
        ("io.jobschedd.Nope", {}, "MethodNotFound"),
        ("nope", {}, "MethodNotFound"),
        ("org.example.Thing", {}, "InterfaceNotFound"),
        ("Show", {}, "InvalidParameter"),
        ("Show", {"job_id": 3}, "InvalidParameter"),
        ("Show", {"job_id": "a", "sudo": True}, "InvalidParameter"),
        ("Next", {"limit": True}, "InvalidParameter"),
        ("Logs", {"name": "\ud800"}, "InvalidParameter"),
        ("History", {"glob": "\udfff"}, "InvalidParameter"),
        ("Why", {"job_id": "\ud800"}, "InvalidParameter"),
        ("List", {"glob": "*a" * 200}, "CannotRead"),
        ("History", {"glob": "*a" * 200}, "CannotRead"),
        ("Next", {"limit": 1.5}, "InvalidParameter"),
        ("Watch", {}, "ExpectedMore"),
        ("Logs", {"name": "a", "follow": True}, "ExpectedMore"),
        ("org.varlink.service.GetInterfaceDescription", {"interface": "x"}, "InterfaceNotFound"),
    ],
)
def test_what_cannot_be_asked_is_refused_by_name(
    client: Client, method: str, parameters: dict[str, Any], error: str
) -> None:
    with pytest.raises(Refusal) as refusal:
        client.ask(method, **parameters)
    assert refusal.value.error == error


AS_NOBODY = """
import json, os, sys
sys.path.insert(0, sys.argv[1])
from tests.varlink import Client, Refusal
os.setgroups([int(group) for group in sys.argv[3].split(",") if group]); os.setgid(65534); os.setuid(65534)
client = Client(sys.argv[2])
for line in sys.stdin:
    method, parameters = json.loads(line)
    try:
        print(json.dumps(client.ask(method, **parameters)))
    except Refusal as refusal:
        print(json.dumps({"error": refusal.error, **refusal.parameters}))
"""


def as_nobody(daemon: Process, *asked: tuple[str, dict[str, Any]], groups: str = "") -> list[dict[str, Any]]:
    done = subprocess.run(
        [sys.executable, "-c", AS_NOBODY, Path(__file__).parents[1], daemon.runtime / "io.jobschedd", groups],
        input="".join(json.dumps(each) + "\n" for each in asked), capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture
def reachable(tmp_path: Path) -> None:
    """pytest's directories are its user's own."""
    for directory in (tmp_path, *tmp_path.parents[:2]):
        directory.chmod(directory.stat().st_mode | 0o011)


@as_root
@pytest.mark.fault("A33")
@pytest.mark.usefixtures("reachable")
def test_a_stranger_changes_nothing_and_it_is_said_who_tried(daemon: Process) -> None:
    loaded(daemon, "a", NEVER_SOON)
    methods: list[tuple[str, dict[str, Any]]] = [
        ("Run", {"job_id": "a"}), ("Stop", {"name": "a"}), ("Pause", {"job_id": "a"}), ("Resume", {"job_id": "a"}), ("Reload", {}),
    ]  # fmt: skip
    assert as_nobody(daemon, *methods) == [{"error": "PermissionDenied"}] * 5
    refused = daemon.until("control_refused")
    assert (refused["JOBSCHEDD_UID"], "io.jobschedd.Run" in refused["message"]) == ("65534", True)


@as_root
@pytest.mark.fault("A59")
@pytest.mark.usefixtures("reachable")
def test_a_stranger_sees_the_jobs_that_run_as_themselves_and_cannot_tell_the_others_from_none(daemon: Process) -> None:
    task = {"type": "execute_command", "command": "true", "user": "nobody"}
    loaded(daemon, "theirs", EVERY_SECOND, task=task)
    loaded(daemon, "secret", EVERY_SECOND)
    daemon.until("run_ended", ran("theirs"))
    daemon.until("run_ended", ran("secret"))
    (daemon.jobs / "bad.json").write_text("{")
    daemon.until("problem_found")
    listed, due, history, status = as_nobody(
        daemon, ("List", {}), ("Next", {"limit": 5}), ("History", {}), ("Status", {})
    )
    assert [job["job_id"] for job in listed["jobs"]] == ["theirs"]
    assert listed["problems"] == []
    assert {entry["job_id"] for entry in due["instants"]} == {"theirs"}
    assert {row["job_id"] for row in history["runs"]} == {"theirs"}
    assert status["daemon"]["jobs"] == 2
    for method, key in (("Show", "job_id"), ("Why", "job_id"), ("Logs", "name")):
        of_secret, of_none = as_nobody(daemon, (method, {key: "secret"}), (method, {key: "none"}))
        assert of_secret == {**of_none, key: "secret"}
        assert of_none["error"] in {"NoSuchJob", "NothingNamed"}
        (of_theirs,) = as_nobody(daemon, (method, {key: "theirs"}))
        assert of_theirs.get("error") in {None, "NoJournal"}


FOLLOWS = """
import json, os, sys
sys.path.insert(0, sys.argv[1])
from tests.varlink import Client, Refusal
os.setgroups([]); os.setgid(65534); os.setuid(65534)
client = Client(sys.argv[2])
client.send(sys.argv[3], more=True, **json.loads(sys.argv[4]))
try:
    while True:
        print(json.dumps(client.hear()), flush=True)
except Refusal as refusal:
    print(refusal.error, flush=True)
"""


class Follower:
    """Nobody, who follows what happens."""

    def __init__(self, daemon: Process, method: str, **parameters: Any) -> None:
        self.heard: list[str] = []
        words = [daemon.runtime / "io.jobschedd", method, json.dumps(parameters)]
        self.process = subprocess.Popen(
            [sys.executable, "-c", FOLLOWS, Path(__file__).parents[1], *words], stdout=subprocess.PIPE, text=True
        )

    def until(self, text: str) -> None:
        assert self.process.stdout is not None
        while not self.heard or text not in self.heard[-1]:
            line = self.process.stdout.readline()
            assert line, self.heard
            self.heard.append(line)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()


@as_root
@pytest.mark.fault("A33")
@pytest.mark.usefixtures("reachable")
def test_who_follows_a_job_sees_nothing_more_of_it_once_it_runs_as_somebody_else(
    daemon: Process, client: Client
) -> None:
    theirs = {"type": "execute_command", "command": "echo fine", "user": "nobody"}
    loaded(daemon, "leaky", EVERY_SECOND, task=theirs)
    logs, watch = Follower(daemon, "Logs", name="leaky", follow=True), Follower(daemon, "Watch")
    try:
        logs.until("fine")
        watch.until("leaky")
        loaded(daemon, "leaky", NEVER_SOON, task={"type": "execute_command", "command": "echo SECRET"})
        known = client.ask("Run", job_id="leaky")["run_id"]
        daemon.until("run_ended", lambda entry: entry["JOBSCHEDD_RUN"] == known)
        logs.until("NothingNamed")
        loaded(daemon, "later", NEVER_SOON, task=theirs)
        watch.until("later")
        assert not any("SECRET" in line or known in line for line in logs.heard + watch.heard)
        # Nor does it come back with what the job was started for while it was root's.
        loaded(daemon, "leaky", NEVER_SOON, task={**theirs, "command": "echo again"})
        (history,) = as_nobody(daemon, ("History", {"glob": "leaky"}))
        assert history["runs"] == []
        (named,) = as_nobody(daemon, ("Logs", {"name": known}))
        assert named["error"] == "NothingNamed"
    finally:
        logs.close()
        watch.close()


def test_a_second_daemon_takes_the_socket_over_from_one_that_was_killed(daemon: Process, start: Begin) -> None:
    daemon.kill()
    with socket.socket(socket.AF_UNIX) as caller, pytest.raises(ConnectionRefusedError):
        caller.connect(str(daemon.runtime / "io.jobschedd"))
    again = start()
    again.ready()
    client = Client(again.runtime / "io.jobschedd")
    assert client.ask("Status")["daemon"]["pid"] == again.pid
    again.stop()
    assert not (again.runtime / "io.jobschedd").exists()
    client.socket.close()


def test_the_varlink_package_finds_its_way(daemon: Process) -> None:
    loaded(daemon, "a", NEVER_SOON)
    address = f"unix:{daemon.runtime}/io.jobschedd"

    def varlink(*words: str) -> str:
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-m", "varlink.cli", *words],
            capture_output=True, text=True, check=True, timeout=60,
        )  # fmt: skip
        return done.stdout

    assert "io.jobschedd" in varlink("info", address)
    assert "method Status() -> (daemon: Daemon)" in varlink("help", f"{address}/io.jobschedd")
    answer = json.loads(varlink("call", f"{address}/io.jobschedd.List", '{"glob": "a"}'))
    assert answer["jobs"][0]["job_id"] == "a"


def test_a_socket_that_systemd_hands_over_is_used(tmp_path: Path, start: Begin) -> None:
    path = tmp_path / "activated"
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen()
    hand = "import os,sys; os.dup2(int(sys.argv[1]), 3); os.environ |= {'LISTEN_PID': str(os.getpid()), 'LISTEN_FDS': '1'}; os.execv(sys.argv[2], sys.argv[2:])"
    daemon = start(prefix=(sys.executable, "-c", hand, str(listener.fileno())), pass_fds=(listener.fileno(),))
    daemon.ready()
    client = Client(path)
    assert client.ask("Status")["daemon"]["pid"] == daemon.pid
    client.socket.close()
    listener.close()
    assert daemon.stop() == 0
    assert path.exists()
