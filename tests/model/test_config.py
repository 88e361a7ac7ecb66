"""The daemon's own settings."""

from __future__ import annotations

from typing import Any

import pytest

from jobschedd.model.config import Settings, read_settings
from jobschedd.model.error import BadSetting
from jobschedd.model.places import places
from jobschedd.model.run import MINUTE, SECOND

ROOT = places({}, 0, "/root")


def read(text: str = "", env: dict[str, str] | None = None, **flags: Any) -> Settings:
    return read_settings(ROOT.config, text, env or {}, flags, ROOT)


def test_without_any_setting_the_contract_s_defaults_hold() -> None:
    settings = read_settings(ROOT.config, None, {}, {}, ROOT)
    assert settings.jobs_dirs == ("/etc/jobs.d", "/run/jobs.d", "/usr/lib/jobs.d")
    assert (settings.log_level, settings.stop_runs) == ("info", False)
    assert (settings.stop_grace, settings.rescan_every) == (30 * SECOND, 5 * MINUTE)


def test_flags_beat_the_environment_which_beats_the_file() -> None:
    text, env = 'log_level = "error"\n', {"JOBSCHEDD_LOG_LEVEL": "warning"}
    assert read(text).log_level == "error"
    assert read(text, env).log_level == "warning"
    assert read(text, env, log_level="debug").log_level == "debug"


def test_how_many_catch_up_at_once_is_a_whole_number_wherever_it_is_said() -> None:
    assert read().catch_up_parallel == 4
    assert read("catch_up_parallel = 2").catch_up_parallel == 2
    assert read(env={"JOBSCHEDD_CATCH_UP_PARALLEL": "3"}).catch_up_parallel == 3
    assert read(catch_up_parallel="5").catch_up_parallel == 5
    for bad in ("0", "-1", "many", "1.5", "99999999999"):
        with pytest.raises(BadSetting, match=r"catch_up_parallel: cannot use .* whole number from 1 to 10000"):
            read(catch_up_parallel=bad)


def test_log_levels_are_read_in_any_case() -> None:
    assert read('log_level = "DeBug"').log_level == "debug"


def test_directories_in_the_environment_are_parted_by_colons() -> None:
    assert read(env={"JOBSCHEDD_JOBS_DIRS": "/a:/b"}).jobs_dirs == ("/a", "/b")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('log_levle = "info"', 'log_levle: unknown setting; did you mean "log_level"?'),
        ('log_level = "loud"', "log_level: cannot use"),
        ('jobs_dirs = "/etc/jobs.d"', "jobs_dirs: cannot use"),
        ('jobs_dirs = ["jobs.d"]', "write an absolute one"),
        ("jobs_dirs = []", "jobs_dirs: cannot use"),
        ('stop_runs = "yes"', "stop_runs: cannot use"),
        ('stop_grace = "soon"', 'stop_grace: cannot read "soon" as a duration'),
        ("rescan_every = 0", "rescan_every: cannot use 0"),
        ("max_running = 0", "max_running: cannot use 0 here; write a whole number from 1"),
        ('store = "mysql://x"', "store: cannot"),
        ("keep_runs_per_job = 0", "keep_runs_per_job: cannot"),
        ("log_level = ", "cannot read the file as TOML"),
        ('[defaults]\noverlap = "sometimes"', "defaults.overlap: cannot use"),
        ('[defaults]\ntimeout = "soon"', 'defaults.timeout: cannot read "soon" as a duration'),
        ('[defaults]\njob_id = "x"', "defaults.job_id: belongs into each job file"),
    ],
)
def test_a_bad_setting_names_file_place_and_form(text: str, said: str) -> None:
    with pytest.raises(BadSetting) as caught:
        read(text)
    assert str(caught.value).startswith("/etc/jobschedd/jobschedd.toml: ")
    assert said in str(caught.value)


def test_a_bad_variable_is_named_as_one_of_the_environment() -> None:
    with pytest.raises(BadSetting, match=r"^environment: log_level: "):
        read(env={"JOBSCHEDD_LOG_LEVEL": "loud"})


def test_defaults_for_job_keys_are_kept() -> None:
    assert read('[defaults]\noverlap = "allow"').defaults == {"overlap": "allow"}


def test_the_system_instance_has_the_system_s_places() -> None:
    assert (ROOT.state_dir, ROOT.runtime_dir) == ("/var/lib/jobschedd", "/run/jobschedd")
    given = places({"STATE_DIRECTORY": "/s:/t", "RUNTIME_DIRECTORY": "/r"}, 0, "/root")
    assert (given.state_dir, given.runtime_dir) == ("/s", "/r")


def test_a_user_s_instance_lives_in_the_user_s_places() -> None:
    plain = places({}, 1000, "/home/ann")
    assert plain.jobs_dirs == ("/home/ann/.config/jobs.d",)
    assert plain.config == "/home/ann/.config/jobschedd/jobschedd.toml"
    assert plain.state_dir == "/home/ann/.local/state/jobschedd"
    assert plain.runtime_dir == "/run/user/1000/jobschedd"
    env = {"XDG_CONFIG_HOME": "/c", "XDG_STATE_HOME": "/s", "XDG_RUNTIME_DIR": "/r"}
    moved = places(env, 1000, "/home/ann")
    assert (moved.jobs_dirs, moved.state_dir, moved.runtime_dir) == (("/c/jobs.d",), "/s/jobschedd", "/r/jobschedd")


def test_variables_of_our_own_beat_systemd_s() -> None:
    env = {"STATE_DIRECTORY": "/s", "JOBSCHEDD_STATE_DIR": "/mine", "JOBSCHEDD_CONFIG": "/c.toml"}
    found = places(env, 0, "/root")
    assert (found.state_dir, found.config) == ("/mine", "/c.toml")
