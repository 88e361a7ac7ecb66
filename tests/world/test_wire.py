"""The frames between daemon and runner."""

from __future__ import annotations

import struct

import pytest

from jobschedd.runner.wire import LONGEST, Frames, pack


def test_frames_come_out_whole_however_they_are_cut() -> None:
    messages = [{"start": [{"argv": ["ü" * n]}]} for n in (0, 1, 5_000)]
    stream = b"".join(map(pack, messages))
    for size in (1, 3, 4, 7, 100_000):
        frames, found = Frames(), []
        for begin in range(0, len(stream), size):
            found += frames.feed(stream[begin : begin + size])
        assert found == messages


@pytest.mark.parametrize("bad", [struct.pack(">I", LONGEST + 1), b"\xff" * 8, b"\0\0\0\2[]", b"\0\0\0\1{"])
def test_what_no_peer_of_ours_sends_is_an_error(bad: bytes) -> None:
    with pytest.raises(ValueError, match=r"cannot take|Expecting"):
        Frames().feed(bad)
