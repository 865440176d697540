"""A signature holds for one body, one key and a short time; the key is read from where it is and never said."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegauge.deliver.secret import read_secret
from tidegauge.deliver.sign import signature, verify
from tidegauge.errors import UsageError

NOW = 1_790_000_000
KEY = b"a key of some length"


@given(st.binary(max_size=200), st.binary(min_size=1, max_size=50), st.integers(-300, 300))
def test_what_was_signed_is_known_again(body: bytes, key: bytes, since: int) -> None:
    assert verify(body, signature(body, key, NOW), key, now=NOW + since)


@given(st.binary(min_size=1, max_size=50), st.data())
def test_any_other_body_is_not(body: bytes, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(body) - 1))
    changed = body[:at] + bytes([body[at] ^ data.draw(st.integers(1, 255))]) + body[at + 1 :]
    header = signature(body, KEY, NOW)
    for other in (changed, body + b"\n", body[:-1], b""):
        assert not verify(other, header, KEY, now=NOW)


def test_neither_is_another_key_nor_time() -> None:
    header = signature(b"{}", KEY, NOW)
    assert not verify(b"{}", header, KEY + b"x", now=NOW)
    assert not verify(b"{}", header, b"", now=NOW)
    assert not verify(b"{}", header, KEY, now=NOW + 301)
    assert not verify(b"{}", header, KEY, now=NOW - 301)
    assert verify(b"{}", header, KEY, now=NOW + 301, tolerance=302)
    moved = header.replace(str(NOW), str(NOW + 250))
    assert not verify(b"{}", moved, KEY, now=NOW + 301)


def test_a_key_may_be_changed_for_another_while_both_are_signed_with() -> None:
    new, old = signature(b"{}", KEY, NOW), signature(b"{}", b"old", NOW)
    both = f"{old}, {new.partition(',')[2]}"
    assert verify(b"{}", both, KEY, now=NOW)
    assert verify(b"{}", both, b"old", now=NOW)


@pytest.mark.parametrize(
    "header",
    [
        "",
        "t=",
        "v1=",
        "t=x,v1=y",
        f"t={NOW}",
        f"t={NOW},v1=",
        f"t={NOW},v1=\xff",
        f"t={NOW},t={NOW},v1=00",
        "t=" + "9" * 99,
    ],
)
def test_a_broken_header_is_no_signature(header: str) -> None:
    assert not verify(b"{}", header, KEY, now=NOW)
    if "v1" not in header:
        assert not verify(b"{}", f"{header},{signature(b'{}', KEY, NOW).partition(',')[2]}", KEY, now=NOW - 10_000)


def test_keys_are_read_from_where_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRIFT_SECRET", "from the environment")
    (tmp_path / "key").write_bytes(b"from a file\r\n")
    assert read_secret("env:DRIFT_SECRET") == b"from the environment"
    assert read_secret(f"file:{tmp_path / 'key'}") == b"from a file"


def test_a_key_that_is_not_there_is_told_without_saying_any(tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "long").write_text("s3cret" * 1000)
    for place, said in (
        ("env:NONE", "secret env:NONE: got nothing, want a key"),
        (f"file:{tmp_path}/none", "got No such file or directory, want a key"),
        (f"file:{tmp_path}", "got Is a directory, want a key"),
        (f"file:{tmp_path}/empty", "got nothing, want a key"),
        (f"file:{tmp_path}/long", "got more than 4096 bytes, want a key"),
    ):
        with pytest.raises(UsageError) as caught:
            read_secret(place, {})
        assert said in str(caught.value)
        assert "s3cret" not in str(caught.value)
