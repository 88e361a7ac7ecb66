"""What a task may say, what becomes of it, and that no secret of it is repeated."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass as plain_dataclass
from dataclasses import replace
from typing import Any, Literal

import pytest
from pydantic import BaseModel, StrictStr
from pydantic.dataclasses import dataclass

from jobschedd.model.error import BadFile
from jobschedd.model.job import parse
from jobschedd.model.launch import Launch
from jobschedd.model.limits import Limits
from jobschedd.model.task import TASK_TYPES, TaskType
from jobschedd.model.timing import Defaults

SECRET = "hunter2-and-more"


def values(task: dict[str, Any], **keys: Any) -> bytes:
    return json.dumps({"job_id": "job", "schedule": "* * * * *", "task": task} | keys).encode()


def launch(defaults: Defaults | None = None, *, timezone: str | None = None, **task: Any) -> Launch:
    data = values(task, **({"timezone": timezone} if timezone else {}))
    return parse("x.json", "x", data, defaults or Defaults()).launch()


def problems(defaults: Defaults | None = None, **task: Any) -> list[str]:
    with pytest.raises(BadFile) as caught:
        parse("x.json", "x", values(task), defaults or Defaults())
    return [f"{problem.where}: {problem.text}" for problem in caught.value.problems]


def sent(made: Launch) -> dict[str, Any]:
    assert made.stdin is not None
    told: dict[str, Any] = json.loads(made.stdin)
    return told


# -- execute_command ---------------------------------------------------------------------------------------------


def test_every_key_of_a_command_reaches_its_launch() -> None:
    made = launch(
        timezone="Asia/Tokyo",
        type="execute_command",
        command=["/bin/x", "-y", ""],
        shell="/bin/bash -c",
        user="www-data",
        group="adm",
        groups=["backup", "adm"],
        cwd="/srv",
        env={"A": "1", "B": ""},
        env_file="/etc/default/x",
        umask="077",
        stdin="text",
        pam_session=True,
    )
    assert made == Launch(
        argv=("/bin/x", "-y", ""),
        shell="/bin/bash",
        user="www-data",
        group="adm",
        groups=("backup", "adm"),
        pam_session=True,
        cwd="/srv",
        umask=0o077,
        env=(("A", "1"), ("B", "")),
        env_file="/etc/default/x",
        stdin="text",
        timezone="Asia/Tokyo",
    )


def test_groups_that_are_not_named_are_the_user_s_own_and_an_empty_list_is_none() -> None:
    assert launch(type="execute_command", command="x").groups is None
    assert launch(type="execute_command", command="x", groups=[]).groups == ()


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({"groups": "adm"}, 'task.groups: cannot use "adm" here; write a list: […]'),
        ({"groups": ["0"]}, 'task.groups[0]: cannot use "0" as a group; write its name: "www-data"'),
        ({"pam_session": 1, "user": "games"}, "task.pam_session: cannot use 1 here; write true or false"),
        ({"pam_session": True}, 'task.pam_session: cannot open a session for nobody; write the user too: "user": "www-data"'),
        ({"env_file": "x"}, 'task.env_file: cannot use "x" as a path; write an absolute one: "/srv/data"'),
        ({"env": {"PIN": 1234}}, 'task.env: cannot use a number as the value of PIN; write a text: {"PIN": "…"}'),
        ({"env": [SECRET]}, 'task.env: cannot read a list as an environment; write {"NAME": "value"}'),
        ({"stdin": {"a": SECRET}}, 'task.stdin: cannot pass an object on standard input; write a text: "…"'),
    ],
)  # fmt: skip
def test_a_key_that_cannot_be_used_names_the_right_form(keys: dict[str, Any], expected: str) -> None:
    assert problems(type="execute_command", command="x", **keys) == [expected]


def test_a_bad_user_is_one_problem_and_not_a_second_one_of_its_session() -> None:
    (found,) = problems(type="execute_command", command="x", user="0", pam_session=True)
    assert found.startswith("task.user: ")


@pytest.mark.fault("A23")
@pytest.mark.parametrize("kind", ["execute_command", "container"])
@pytest.mark.parametrize(
    "env",
    [
        SECRET, [SECRET], {"A": [SECRET]}, {"A": {"x": SECRET}}, {"A-B": SECRET}, {"A=" + "B": SECRET}, {"": SECRET},
        {"A": SECRET * 10_000}, {"A": SECRET + "\0"}, {"Ä": SECRET}, {f"A{n}": "x" * 100 for n in range(2000)},
    ],
)  # fmt: skip
def test_no_value_of_a_variable_is_repeated(kind: str, env: Any) -> None:
    own = {"command": "x"} if kind == "execute_command" else {"image": "x"}
    (found,) = problems(type=kind, env=env, **own)
    assert SECRET not in found
    assert found.startswith("task.env")
    assert "cannot " in found


@pytest.mark.fault("A23")
@pytest.mark.parametrize("name", ["LD_PRELOAD", "PYTHONPATH", "BASH_ENV", "IFS", "PATH", "_x9"])
def test_what_a_job_sets_is_for_the_job_and_any_name_will_do(name: str) -> None:
    assert launch(type="execute_command", command="x", env={name: "a\nb"}).env == ((name, "a\nb"),)


@pytest.mark.fault("A25")
def test_a_command_may_be_as_long_as_the_kernel_takes_and_no_longer() -> None:
    longest = "x" * (128 * 1024 - 1)
    assert launch(type="execute_command", command=["echo", longest]).argv == ("echo", longest)
    for too_long in (longest + "x", ["echo", longest + "x"], "x" * 200_000):
        (found,) = problems(type="execute_command", command=too_long)
        assert found.endswith("as one argument; the kernel takes 131071")


# -- http_request ------------------------------------------------------------------------------------------------


def test_a_request_goes_by_standard_input_and_no_secret_by_the_arguments() -> None:
    made = launch(
        type="http_request",
        url=f"https://me:{SECRET}@example.org/a?key={SECRET}",
        method="POST",
        headers={"Authorization": f"Bearer {SECRET}"},
        body=SECRET,
        expect_status=[201, "300-303"],
        timeout="90s",
    )
    assert made.argv == (sys.executable, "-I", "-m", "jobschedd.tasks.http_request")
    assert SECRET not in str(replace(made, stdin=None))
    assert sent(made) == {
        "url": f"https://me:{SECRET}@example.org/a?key={SECRET}",
        "method": "POST",
        "headers": [["Authorization", f"Bearer {SECRET}"]],
        "body": SECRET,
        "expect": [[201, 201], [300, 303]],
        "timeout": 90.0,
        "give_up_root": True,
    }


def test_a_request_is_a_get_of_half_a_minute_that_expects_success_and_is_not_sent_by_root() -> None:
    told = sent(launch(type="http_request", url="http://localhost:8080"))
    assert (told["method"], told["expect"], told["timeout"], told["give_up_root"]) == ("GET", [[200, 299]], 30.0, True)
    made = launch(type="http_request", url="http://localhost", user="www-data")
    assert (made.user, sent(made)["give_up_root"]) == ("www-data", False)


@pytest.mark.parametrize(
    ("status", "expected"), [(204, [[204, 204]]), ("200-299", [[200, 299]]), ("404", [[404, 404]])]
)
def test_a_status_is_a_number_or_a_range(status: Any, expected: Any) -> None:
    assert sent(launch(type="http_request", url="http://x", expect_status=status))["expect"] == expected


@pytest.mark.parametrize(
    "status", [[], 99, 600, "2xx", "299-200", [True], 200.0, None, "200 - 299", {}, "200-", [[200]]]
)
def test_a_status_that_is_none_is_refused(status: Any) -> None:
    (found,) = problems(type="http_request", url="http://x", expect_status=status)
    assert found.startswith("task.expect_status: cannot expect ")
    assert found.endswith('write 204, "200-299", or a list of such')


@pytest.mark.fault("A42")
@pytest.mark.parametrize(
    "url",
    [
        f"file:///{SECRET}", f"ftp://{SECRET}", SECRET, f"http:///{SECRET}", f"http://x:y/{SECRET}", f"http://[::1/{SECRET}",
        f"http://x/{SECRET} y", f"http://x/{SECRET}\r\nHost: y", f"http://ü/{SECRET}", f"http://x:99999/{SECRET}", "", None, 5,
        f"http://x:0/{SECRET}", [SECRET],
    ],
)  # fmt: skip
def test_a_url_is_http_and_is_not_repeated(url: Any) -> None:
    (found,) = problems(type="http_request", url=url)
    assert found.startswith("task.url: cannot use ")
    assert SECRET not in found
    assert 'write "https://example.org/ping"' in found or "xn--" in found


@pytest.mark.fault("A41")
@pytest.mark.parametrize(
    "headers",
    [
        {"A": f"{SECRET}\r\nB: x"}, {"A": f"{SECRET}\n"}, {"A\r\nB": SECRET}, {"A:": SECRET}, {"": SECRET}, {"A b": SECRET},
        {"A": [SECRET]}, [SECRET], SECRET, {"A": f"{SECRET} €"}, {"Content-Length": SECRET}, {"transfer-encoding": SECRET},
    ],
)  # fmt: skip
def test_a_header_is_one_line_and_its_value_is_not_repeated(headers: Any) -> None:
    (found,) = problems(type="http_request", url="http://x", headers=headers)
    assert found.startswith("task.headers: cannot ")
    assert SECRET not in found


def test_a_body_is_a_text_and_is_not_repeated() -> None:
    (found,) = problems(type="http_request", url="http://x", body={"password": SECRET})
    assert found.startswith("task.body: cannot send an object as a body; write a text: ")
    assert SECRET not in found


def test_methods_are_few_and_in_capitals() -> None:
    (found,) = problems(type="http_request", url="http://x", method="get")
    assert found.startswith('task.method: cannot use "get" here; write "GET", "HEAD"')


# -- container ---------------------------------------------------------------------------------------------------


def test_a_container_is_told_to_its_program_by_standard_input() -> None:
    made = launch(
        type="container",
        image="docker.io/library/alpine:3.20",
        args=["echo", "-n"],
        env={"TOKEN": SECRET},
        volumes=["/srv:/data:ro", "cache:/c"],
        pull="always",
        engine="docker",
        user="games",
    )
    assert (made.argv[1:], made.user, made.env) == (("-I", "-m", "jobschedd.tasks.container"), "games", ())
    assert sent(made) == {
        "engine": "docker",
        "image": "docker.io/library/alpine:3.20",
        "args": ["echo", "-n"],
        "env": [["TOKEN", SECRET]],
        "volumes": ["/srv:/data:ro", "cache:/c"],
        "pull": "always",
    }


@pytest.mark.fault("A25")
@pytest.mark.parametrize(
    ("keys", "where"),
    [
        ({"image": "--privileged"}, "image"),
        ({"image": "-v"}, "image"),
        ({"image": "a b"}, "image"),
        ({"image": ""}, "image"),
        ({"image": 5}, "image"),
        ({"args": "echo"}, "args"),
        ({"args": ["x" * 200_000]}, "args"),
        ({"args": [1]}, "args"),
        ({"volumes": "/a:/b"}, "volumes"),
        ({"volumes": ["a"]}, "volumes"),
        ({"volumes": ["../a:/b"]}, "volumes"),
        ({"volumes": ["/a:b"]}, "volumes"),
        ({"volumes": ["-v:/b"]}, "volumes"),
        ({"volumes": ["/a:/b:ro:rw"]}, "volumes"),
        ({"pull": "newer", "engine": "docker"}, "pull"),
        ({"pull": True}, "pull"),
        ({"engine": "runc"}, "engine"),
    ],
)
def test_no_key_of_a_container_can_become_an_option_of_the_engine(keys: dict[str, Any], where: str) -> None:
    found = problems(**{"type": "container", "image": "alpine"} | keys)
    assert found[0].startswith(f"task.{where}: cannot ")
    assert "write " in found[0] or "the kernel takes" in found[0]


def test_newer_is_podman_s() -> None:
    assert sent(launch(type="container", image="x", pull="newer"))["pull"] == "newer"


# -- start_unit --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "unit", ["backup.service", "a@b.service", "srv-in.mount", "x\\x2dy.service", "multi-user.target"]
)
def test_a_unit_is_started_by_its_name(unit: str) -> None:
    assert launch(type="start_unit", unit=unit).argv[3:] == ("jobschedd.tasks.start_unit", unit)


@pytest.mark.fault("A25")
@pytest.mark.parametrize(
    "unit",
    ["", "backup", "--all.service", "-.service", "a b.service", "a;b.service", "*.service", "../a.service", "a@.service",
     "a.service\n", "x" * 256 + ".service", 5, None, ["a.service"], "a.device", "a.scope"],
)  # fmt: skip
def test_nothing_but_the_name_of_a_unit_is_one(unit: Any) -> None:
    (found,) = problems(type="start_unit", unit=unit)
    assert found.startswith("task.unit: cannot ")
    assert 'write "backup.service"' in found or "write an instance" in found


# -- all of ours -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "form"),
    [
        ("execute_command", 'task.command: is required; write "command": "/usr/bin/true"'),
        ("http_request", 'task.url: is required; write "url": "https://example.org/ping"'),
        ("container", 'task.image: is required; write "image": "docker.io/library/alpine:3.20"'),
        ("start_unit", 'task.unit: is required; write "unit": "backup.service"'),
    ],
)
def test_what_a_type_needs_is_named_with_its_form(kind: str, form: str) -> None:
    assert problems(type=kind) == [form]


@pytest.mark.fault("A17")
@pytest.mark.parametrize("kind", TASK_TYPES)
def test_an_unknown_key_is_known_by_its_type(kind: str) -> None:
    found = problems(type=kind, tipe="x")
    assert 'task.tipe: unknown key; did you mean "type"?' in found


@pytest.mark.parametrize("kind", [5, None, ["container"], {"a": 1}, True])
def test_a_type_is_a_name(kind: Any) -> None:
    (found,) = problems(type=kind)
    assert found.endswith('as a task type; write its name: "execute_command"')


# -- of other packages -------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Greet:
    type: Literal["greet"]
    whom: StrictStr
    user: str | None = None

    def launch(self, timezone: str | None) -> Launch:
        return Launch(argv=("echo", self.whom), user=self.user, timezone=timezone)


class GreetModel(BaseModel):
    type: Literal["greet"]
    whom: StrictStr

    def launch(self, timezone: str | None) -> Launch:
        return Launch(argv=("echo", self.whom))


def others(load: Callable[[], Any], name: str = "greet") -> Defaults:
    return Defaults(tasks={name: TaskType("greetings 1.0 (greetings:Greet)", load)})


@pytest.mark.parametrize("model", [Greet, GreetModel])
def test_a_type_of_another_package_is_a_type(model: type) -> None:
    made = launch(others(lambda: model), timezone="Asia/Tokyo", type="greet", whom="all of you")
    assert made == Launch(argv=("echo", "all of you"), timezone="Asia/Tokyo")


def test_a_type_of_another_package_has_problems_with_their_places_too() -> None:
    defaults = others(lambda: Greet)
    assert problems(defaults, type="greet", whom=5) == ['task.whom: cannot use 5 here; write a text: "…"']
    assert problems(defaults, type="greet") == ['task.whom: is required; write "whom": …']
    assert problems(defaults, type="greet", whom="x", wohm="y") == ['task.wohm: unknown key; did you mean "whom"?']


def test_a_type_that_nobody_has_names_the_nearest_that_somebody_has() -> None:
    assert problems(others(lambda: Greet), type="greed") == [
        'task: cannot find a task type "greed"; did you mean "greet"?'
    ]


def test_another_package_cannot_take_over_a_type_of_ours_and_is_not_even_loaded() -> None:
    def load() -> Any:
        raise AssertionError

    made = launch(others(load, "execute_command"), type="execute_command", command=["x"])
    assert made.argv == ("x",)


def _raises(error: BaseException) -> Callable[[], Any]:
    def load() -> Any:
        raise error

    return load


@plain_dataclass
class NotPydantic:
    type: Literal["greet"]


@dataclass(frozen=True, kw_only=True)
class OtherName(Greet):
    type: Literal["meet"]  # type: ignore[assignment]


@dataclass(kw_only=True)
class NoLaunch:
    type: Literal["greet"]


@pytest.mark.parametrize(
    ("load", "reason"),
    [
        (_raises(ImportError("No module named 'psycopg'")), "ImportError: No module named 'psycopg'"),
        (_raises(SystemExit(3)), "SystemExit: 3"),
        (_raises(RuntimeError()), "RuntimeError"),
        (lambda: "a text", "TypeError: it is not a pydantic dataclass"),
        (lambda: Greet(type="greet", whom="x"), "TypeError: it is not a pydantic dataclass"),
        (lambda: NotPydantic, "TypeError: it is not a pydantic dataclass"),
        (lambda: OtherName, 'its class has to have type: Literal["greet"] and launch(self, timezone) -> Launch'),
        (lambda: NoLaunch, 'its class has to have type: Literal["greet"] and launch(self, timezone) -> Launch'),
    ],
)
def test_a_type_that_cannot_be_loaded_makes_its_own_jobs_problems_and_says_why(load: Any, reason: str) -> None:
    defaults = others(load)
    (found,) = problems(defaults, type="greet", whom="x")
    assert found.startswith("task: cannot ")
    assert "greetings 1.0 (greetings:Greet)" in found
    assert reason in found
    assert launch(defaults, type="execute_command", command=["x"]).argv == ("x",)


def launching(launch: Callable[[], Any]) -> Defaults:
    @dataclass(kw_only=True)
    class Bad:
        type: Literal["greet"]

        def launch(self, timezone: str | None) -> Any:
            return launch()

    return others(lambda: Bad)


@pytest.mark.fault("A21")
@pytest.mark.fault("A25")
@pytest.mark.parametrize(
    ("made", "reason"),
    [
        (_raises(KeyError("x")), "KeyError: 'x'"),
        (_raises(SystemExit()), "SystemExit"),
        (lambda: None, "launch() returned NoneType, not a jobschedd.model.launch.Launch"),
        (lambda: ("echo",), "launch() returned tuple"),
        (lambda: Launch(argv=()), "argv: "),
        (lambda: Launch(argv=("",)), "argv: "),
        (lambda: Launch(argv=["echo"]), "its parts are not"),  # type: ignore[arg-type]
        (lambda: Launch(argv=("echo", 5)), "argv: "),  # type: ignore[arg-type]
        (lambda: Launch(argv=5), "not iterable"),  # type: ignore[arg-type]
        (lambda: Launch(argv=("x" * 200_000,)), "argv: "),
        (lambda: Launch(argv=("a\0b",)), "command[0]: "),
        (lambda: Launch(argv=("x",), user="0"), "user: "),
        (lambda: Launch(argv=("x",), user=0), "user: "),  # type: ignore[arg-type]
        (lambda: Launch(argv=("x",), groups=("0",)), "groups: "),
        (lambda: Launch(argv=("x",), cwd="relative"), "cwd: "),
        (lambda: Launch(argv=("x",), env=(("A=B", "x"),)), "env: "),
        (lambda: Launch(argv=("x",), env=(("A", object()),)), "not JSON serializable"),  # type: ignore[arg-type]
        (lambda: Launch(argv=("x",), env=(("A", "x\ud800"),)), "env.A: "),
        (lambda: Launch(argv=("x",), stdin=b"x"), "not JSON serializable"),  # type: ignore[arg-type]
        (lambda: Launch(argv=("x",), umask="022"), "format"),  # type: ignore[arg-type]
        (lambda: Launch(argv=("x",), umask=-1), "umask: "),
        (lambda: Launch(argv=("x",), shell="sh"), "shell: "),
        (lambda: Launch(argv=("x",), pam_session=True), "pam_session: "),
        (lambda: Launch(argv=("x",), limits=Limits()), "its parts are not"),
        (lambda: Launch(argv=("x",), sandbox=(("PrivateTmp", True),)), "its parts are not"),
    ],
)
def test_what_a_type_makes_is_believed_no_more_than_a_file(made: Any, reason: str) -> None:
    (found,) = problems(launching(made), type="greet")
    assert found.startswith("task: cannot start what the task type greet from greetings 1.0 (greetings:Greet) makes")
    assert reason in found


def test_a_type_of_another_package_is_asked_once_and_not_at_each_start() -> None:
    asked = []

    def make() -> Launch:
        asked.append(1)
        return Launch(argv=("x",))

    made = parse("x.json", "x", values({"type": "greet"}), launching(make))
    assert made.launch() is made.launch()
    assert asked == [1]
