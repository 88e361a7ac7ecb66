"""What may be believed: every step of the way belongs to us or to root, and nobody else may write it."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobschedd.world.files.source import Unsettled, read
from jobschedd.world.files.trust import Untrusted, open_trusted

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")

NOBODY = 65534


def refusal(path: Path | str) -> str:
    with pytest.raises(Untrusted) as caught:
        os.close(open_trusted(str(path)))
    return str(caught.value)


def name_of(path: Path | str) -> str:
    """Where the descriptor leads that is opened for a path."""
    held = open_trusted(str(path))
    try:
        return os.readlink(f"/proc/self/fd/{held}")
    finally:
        os.close(held)


@pytest.fixture
def public() -> Iterator[Path]:
    """A directory in a sticky one that everybody may write."""
    with tempfile.TemporaryDirectory(dir="/tmp") as made:
        os.chmod(made, 0o755)
        yield Path(made)


def test_dots_slashes_and_links_are_resolved_as_the_kernel_does(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "relative").symlink_to("./b/..//b")
    (tmp_path / "absolute").symlink_to(tmp_path / "a" / "relative")
    for way in ("a/b", "a//b/.", "a/../a/b/", "a/relative", "absolute", "absolute/../relative"):
        assert name_of(f"{tmp_path}/{way}") == str(tmp_path / "a" / "b")


@pytest.mark.fault("A03")
def test_links_that_lead_in_a_circle_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    assert "leads through more than 40 links" in refusal(tmp_path / "a")


def test_what_is_not_there_is_said_to_be_missing(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        open_trusted(f"{tmp_path}/none/of/this")


def test_no_descriptor_is_left_behind(tmp_path: Path) -> None:
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad").chmod(0o777)
    (tmp_path / "bad" / "x").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "bad" / "x")
    before = os.listdir("/proc/self/fd")
    for path in ("bad/x", "link", "none", "bad"):
        with pytest.raises((Untrusted, FileNotFoundError)):
            open_trusted(f"{tmp_path}/{path}")
    assert os.listdir("/proc/self/fd") == before


@pytest.mark.fault("A02")
def test_a_sticky_public_directory_may_stand_on_the_way_but_not_at_its_end(public: Path) -> None:
    assert name_of(public) == str(public)
    assert "/tmp can be written by others (mode 1777)" in refusal("/tmp")
    assert "/tmp can be written by others (mode 1777)" in refusal("/tmp/.")


@as_root
@pytest.mark.fault("A02")
def test_in_a_sticky_directory_what_belongs_to_somebody_else_is_refused(public: Path) -> None:
    (public / "x").mkdir()
    os.chown(public, NOBODY, NOBODY)
    assert refusal(public / "x").startswith(f"{public} belongs to nobody")


@as_root
@pytest.mark.fault("A02")
def test_a_sticky_directory_of_somebody_else_s_is_refused(public: Path) -> None:
    """Its owner may rename what is in it, sticky or not."""
    (public / "x").mkdir()
    public.chmod(0o1777)
    assert name_of(public / "x") == str(public / "x")
    os.chown(public, NOBODY, NOBODY)
    assert refusal(public / "x").startswith(f"{public} belongs to nobody")


@as_root
@pytest.mark.fault("A03")
def test_a_link_of_somebody_else_s_is_refused_wherever_it_leads(public: Path) -> None:
    (public / "link").symlink_to("/usr")
    os.lchown(public / "link", NOBODY, NOBODY)
    assert refusal(public / "link").startswith(f"{public}/link belongs to nobody")


@pytest.mark.fault("A02")
def test_a_step_in_the_middle_that_others_may_write_is_named(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a").chmod(0o757)
    assert refusal(tmp_path / "a" / "b") == (
        f"{tmp_path}/a can be written by others (mode 0757); chmod go-w {tmp_path}/a"
    )


@pytest.mark.fault("A02")
def test_an_acl_that_lets_somebody_write_is_seen(tmp_path: Path) -> None:
    """acl(5): the group bits show the mask, which covers whom an ACL names."""
    path = tmp_path / "x"
    path.mkdir(mode=0o755)
    entries = ((1, 7, -1), (2, 7, NOBODY), (4, 5, -1), (0x10, 7, -1), (0x20, 5, -1))
    acl = struct.pack("<I", 2) + b"".join(struct.pack("<HHi", *entry) for entry in entries)
    try:
        os.setxattr(path, "system.posix_acl_access", acl)
    except OSError as error:
        pytest.skip(f"no ACLs here: {error}")
    assert f"{path} can be written by others" in refusal(path)


@pytest.mark.fault("A07")
def test_what_would_act_on_a_terminal_is_escaped(tmp_path: Path) -> None:
    path = tmp_path / "\x1b[2J"
    path.mkdir()
    path.chmod(0o777)
    assert "\\x1b[2J" in refusal(path)
    assert "\x1b" not in refusal(path)


@pytest.mark.fault("A06")
def test_what_was_checked_is_what_is_open(tmp_path: Path) -> None:
    (tmp_path / "good").mkdir()
    identity = (tmp_path / "good").stat().st_ino
    held = open_trusted(str(tmp_path / "good"))
    (tmp_path / "good").rename(tmp_path / "old")
    (tmp_path / "good").mkdir(mode=0o777)
    assert os.fstat(held).st_ino == identity
    os.close(held)


@pytest.mark.fault("A06")
def test_a_file_that_holds_other_than_it_said_is_unsettled(tmp_path: Path) -> None:
    """As when it grows while it is read; the files of /proc say that they are empty and are not."""
    (tmp_path / "a.json").symlink_to("/proc/version")
    directory = os.open(tmp_path, os.O_RDONLY)
    with pytest.raises(Unsettled):
        read(directory, str(tmp_path / "a.json"), "a.json")
    os.close(directory)


AS_ANOTHER_USER = """
import os
from jobschedd.world.files.trust import Untrusted, open_trusted
os.setgroups([])
os.setresgid(33, 33, 33)
os.setresuid(33, 33, 33)
for path in ("own", "public", "shared", "root", "theirs"):
    try:
        os.close(open_trusted(os.path.join(os.environ["PLACE"], path)))
        print(path, "trusted")
    except Untrusted as error:
        print(path, str(error).partition("; ")[2].partition(" /")[0])
"""


@as_root
@pytest.mark.fault("A02")
@pytest.mark.parametrize(("members", "own"), [("", "trusted"), ("www-data", "trusted"), ("nobody", "chmod go-w")])
def test_a_user_s_own_instance_trusts_that_user_and_the_user_s_private_group(
    public: Path, members: str, own: str
) -> None:
    """A private group has the number and the name of the user's own, and no other member."""
    modes = {"own": (33, 33, 0o775), "public": (33, 33, 0o777), "shared": (33, 100, 0o775), "root": (0, 0, 0o755)}
    for name, (uid, gid, mode) in (modes | {"theirs": (NOBODY, 33, 0o775)}).items():
        (public / name).mkdir()
        os.chown(public / name, uid, gid)
        (public / name).chmod(mode)
    (public / "group").write_text(f"root:x:0:\nwww-data:x:33:{members}\nusers:x:100:\n")
    with_that_group = ("unshare", "--mount", "sh", "-c", 'mount --bind "$PLACE/group" /etc/group; exec "$@"', "sh")
    done = subprocess.run(
        [*with_that_group, sys.executable, "-c", AS_ANOTHER_USER],
        env={"PLACE": str(public), "PATH": os.environ["PATH"]},
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.splitlines() == [
        f"own {own}",
        "public chmod go-w",
        "shared chmod go-w",
        "root trusted",
        "theirs chown www-data",
    ], done.stderr
