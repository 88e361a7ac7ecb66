"""The socket where there is a journal: output and what happened, in one order, and nobody else's."""

from __future__ import annotations

import json
import select
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.conftest import job
from tests.system.machine import Machine
from tests.varlink import Client

pytestmark = [pytest.mark.system, pytest.mark.slow]

NEVER_SOON = "0 3 1 1 *"

CALL = """
import json, socket, sys
caller = socket.socket(socket.AF_UNIX)
caller.connect("/run/jobschedd/io.jobschedd")
caller.sendall(json.dumps({"method": "io.jobschedd.Pause", "parameters": {"job_id": "a"}}).encode() + b"\\0")
print(caller.recv(65536).decode().rstrip("\\0"))
"""


EAGER = """
import json, socket, time
from jobschedd.world.log.reading import JournalReader, our_service

reader = JournalReader(our_service(), None)
reader.match("eager", "eager")
reader.seek(int(time.time() * 1_000_000))
journald = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
shown = []
for number in range(20):
    journald.sendto(f"MESSAGE={number}\\nJOBSCHEDD_RUN=eager\\n".encode(), "/run/systemd/journal/socket")
    give_up = time.monotonic() + 10
    while str(number) not in shown and time.monotonic() < give_up:
        soon = time.monotonic() + 0.1
        while str(number) not in shown and time.monotonic() < soon:
            shown += [line.text for line in reader.new()]
        shown += [line.text for line in reader.overlooked()]
print(json.dumps(shown))
"""


@pytest.fixture
def client(service: Machine) -> Iterator[Client]:
    made = Client(Path(f"/proc/{service.init}/root/run/jobschedd/io.jobschedd"))
    yield made
    made.socket.close()


def put(machine: Machine, client: Client, job_id: str, command: str, **keys: object) -> None:
    machine.put(f"/etc/jobs.d/{job_id}.json", job(job_id, command, NEVER_SOON, **keys))
    machine.until(f"{job_id} is there", lambda: bool(client.ask("List", glob=job_id)["jobs"]))


def texts(entries: list[dict[str, object]], event: str = "output") -> list[object]:
    return [entry["text"] for entry in entries if entry["event"] == event]


def test_a_run_is_followed_from_the_journal(service: Machine, client: Client) -> None:
    put(service, client, "a", "echo one; echo two >&2; echo three; exit 7")
    replies = list(client.follow("Run", job_id="a"))
    entries = [entry for reply in replies for entry in reply.get("entries") or ()]
    assert texts(entries) == ["one", "two", "three"]
    assert {entry["run_id"] for entry in entries} == {replies[0]["run_id"]}
    assert [entry["event"] for entry in entries if entry["event"] != "output"] == ["run_started", "run_ended"]
    run = replies[-1]["run"]
    assert (run["outcome"], run["exit_code"]) == ("failed", 7)
    assert run["memory_peak"] is None or run["memory_peak"] > 0


@pytest.mark.fault("F33")
def test_a_journal_that_is_behind_is_waited_for(service: Machine, client: Client) -> None:
    put(service, client, "late", "echo one; exit 7")
    journald = service.systemctl("show", "systemd-journald", "--property=MainPID", "--value")
    service.run("sh", "-c", f"kill -STOP {journald}", check=True)
    try:
        client.send("Run", more=True, job_id="late")
        client.hear()
        other = Client(client.path)
        service.until(
            "it has ended", lambda: [run["outcome"] for run in other.ask("History", glob="late")["runs"]] == ["failed"]
        )
        other.socket.close()
        assert select.select([client.socket], [], [], 1.0)[0] == []
    finally:
        service.run("sh", "-c", f"kill -CONT {journald}", check=True)
    heard, continues = list[dict[str, object]](), True
    while continues:
        answer, continues = client.hear()
        heard += answer.get("entries") or []
    assert texts(heard) == ["one"]
    assert [entry["event"] for entry in heard if entry["event"] != "output"] == ["run_started", "run_ended"]


def test_logs_of_a_job_and_of_one_of_its_runs(service: Machine, client: Client) -> None:
    put(service, client, "b", "echo run $JOBSCHEDD_RUN_ID")
    ids = [list(client.follow("Run", job_id="b"))[-1]["run"]["run_id"] for _ in range(3)]
    of_job = client.ask("Logs", name="b")["entries"]
    assert texts(of_job) == [f"run {run_id}" for run_id in ids]
    assert len(texts(of_job, "run_ended")) == 3
    assert [entry["at"] for entry in of_job] == sorted(entry["at"] for entry in of_job)
    of_run = client.ask("Logs", name=ids[1])["entries"]
    assert texts(of_run) == [f"run {ids[1]}"]
    assert {entry["run_id"] for entry in of_run} == {ids[1]}
    assert texts(client.ask("Logs", name="b", limit=2)["entries"]) in ([f"run {ids[2]}"], [])


def test_logs_of_a_run_are_followed_to_its_end(service: Machine, client: Client) -> None:
    put(service, client, "c", "echo begun; while ! test -e /run/go; do sleep 0.05; done; echo done")
    run_id = client.ask("Run", job_id="c")["run_id"]
    client.send("Logs", more=True, name=run_id, follow=True)
    heard: list[dict[str, object]] = []
    while "begun" not in texts(heard):
        answer, _ = client.hear()
        heard += answer["entries"]
    service.run("touch", "/run/go", check=True)
    continues = True
    while continues:
        answer, continues = client.hear()
        heard += answer["entries"]
    assert texts(heard) == ["begun", "done"]
    assert len(texts(heard, "run_ended")) == 1
    service.run("rm", "/run/go", check=True)
    again = [entry for answer in client.follow("Logs", name=run_id, follow=True) for entry in answer["entries"]]
    assert texts(again) == ["begun", "done"]


@pytest.mark.fault("A30")
def test_nobody_else_gets_a_line_into_the_logs_of_a_job(service: Machine, client: Client) -> None:
    put(service, client, "victim", "echo mine")
    forge = "systemd-cat -t victim echo forged; printf 'MESSAGE=forged\\nJOBSCHEDD_JOB=victim\\nJOBSCHEDD_EVENT=run_ended\\n' | logger --journald"
    put(service, client, "forger", forge)
    service.run("sh", "-c", forge)
    list(client.follow("Run", job_id="victim"))
    assert list(client.follow("Run", job_id="forger"))[-1]["run"]["exit_code"] in {0, 127}
    entries = client.ask("Logs", name="victim")["entries"]
    assert "mine" in texts(entries)
    assert "forged" not in [entry["text"] for entry in entries]


def test_a_run_in_a_sandbox_is_followed_too(service: Machine, client: Client) -> None:
    put(service, client, "boxed", "echo in the box", sandbox={"PrivateTmp": True})
    replies = list(client.follow("Run", job_id="boxed"))
    assert replies[-1]["run"]["outcome"] == "succeeded"
    assert texts([entry for reply in replies for entry in reply.get("entries") or ()]) == ["in the box"]


@pytest.mark.fault("A33")
def test_the_group_jobschedd_may_all(service: Machine, client: Client) -> None:
    put(service, client, "a", "true")
    service.run("groupadd", "-f", "jobschedd", check=True)
    gid = service.run("getent", "group", "jobschedd", check=True).stdout.split(":")[2]

    def pause(*groups: str) -> dict[str, object]:
        become = ("setpriv", "--reuid=65534", "--regid=65534", *groups)
        answer: dict[str, object] = json.loads(
            service.run(*become, "/opt/jobschedd/bin/python", "-c", CALL, check=True).stdout
        )
        return answer

    assert pause("--clear-groups")["error"] == "org.varlink.service.PermissionDenied"
    service.systemctl("restart", "jobschedd")  # whoever is in no group yet is not looked up again for a minute
    service.until("the job is there", lambda: "a:" in service.journal("-u", "jobschedd", "-n", "20"))
    assert pause(f"--groups={gid}")["parameters"] in ({"changed": True}, {"changed": False})


def test_what_a_process_writes_that_is_gone_at_once_is_shown(service: Machine, client: Client) -> None:
    """journald looks where a line came from when it reads it; by then a third of such processes are gone."""
    put(service, client, "quick", "/bin/echo run $JOBSCHEDD_RUN_ID; true")
    ids = [list(client.follow("Run", job_id="quick"))[-1]["run"]["run_id"] for _ in range(20)]
    for run_id in ids:
        assert texts(client.ask("Logs", name=run_id)["entries"]) == [f"run {run_id}"]
    assert service.journal("-u", "jobschedd", "-t", "quick").split("\n")[:-1] == [f"run {run_id}" for run_id in ids]


def test_what_a_reader_overlooked_who_looked_too_early_is_shown_once(service: Machine) -> None:
    """Whoever looks without a pause sees each entry half written."""
    shown = service.run("/opt/jobschedd/bin/python", "-c", EAGER, check=True).stdout
    assert json.loads(shown) == [str(number) for number in range(20)]
