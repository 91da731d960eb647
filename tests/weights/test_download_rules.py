"""The pure decisions of downloads: what comes after a fault, how long to wait, names, redaction, the environment."""

from __future__ import annotations

import datetime
import email.utils
import os
from pathlib import Path

import pytest
from downloads import QUICK, quick, remote
from hypothesis import given
from hypothesis import strategies as st

from zoo.errors import ConfigError, RegistryError
from zoo.weights import places
from zoo.weights.attempts import Kind, Limits, Step, is_fruitful, next_step, read_retry_after, wait_seconds
from zoo.weights.redact import printable, redact, scrub
from zoo.weights.remote import RemoteFile, scheme_of


@pytest.mark.parametrize(
    ("kind", "fruitless", "resumed", "restarted", "step"),
    [
        (Kind.BUSY, 1, False, False, Step.RETRY),
        (Kind.BUSY, 2, True, True, Step.RETRY),
        (Kind.BUSY, 3, False, False, Step.NEXT),
        (Kind.BROKEN, 0, True, False, Step.RETRY),
        (Kind.BROKEN, 2, True, False, Step.RETRY),
        (Kind.BROKEN, 3, True, False, Step.NEXT),
        (Kind.RANGE, 1, True, False, Step.RESTART),
        (Kind.RANGE, 2, True, True, Step.RESTART),
        (Kind.RANGE, 3, True, False, Step.NEXT),
        (Kind.WRONG, 1, False, False, Step.NEXT),
        (Kind.WRONG, 1, True, False, Step.RESTART),
        (Kind.WRONG, 9, True, False, Step.RESTART),
        (Kind.WRONG, 1, True, True, Step.NEXT),
        (Kind.REFUSED, 1, False, False, Step.NEXT),
        (Kind.REFUSED, 1, True, False, Step.NEXT),
        (Kind.FATAL, 1, False, False, Step.STOP),
        (Kind.FATAL, 1, True, True, Step.STOP),
    ],
)
def test_what_comes_after_a_fault(kind, fruitless, resumed, restarted, step):
    limits = Limits(attempts=3)
    assert next_step(kind, fruitless=fruitless, resumed=resumed, restarted=restarted, limits=limits) is step


@given(st.sampled_from(Kind), st.integers(0, 9), st.booleans())
def test_no_fault_is_tried_for_ever(kind, attempts, resumed):
    limits = quick(attempts=attempts)
    assert next_step(kind, fruitless=attempts, resumed=resumed, restarted=True, limits=limits) in (Step.NEXT, Step.STOP)


def test_waits_double_up_to_their_limit():
    limits = Limits(jitter=0, backoff=0.5, backoff_max=3)
    assert [wait_seconds(count, None, limits) for count in range(7)] == [0.5, 0.5, 1, 2, 3, 3, 3]
    assert 0.5 <= wait_seconds(1, None, Limits(jitter=0.5)) <= 1


def test_servers_can_ask_for_longer_waits_up_to_a_limit():
    limits = Limits(jitter=0, retry_after_max=120)
    assert [wait_seconds(1, asked, limits) for asked in (None, 0.0, 7.0, 1e9)] == [0.5, 0.5, 7, 120]


def test_retry_after_is_a_number_or_a_date():
    later = email.utils.format_datetime(datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=60))
    assert read_retry_after(" 17 ") == 17
    assert 50 < read_retry_after(later) <= 61
    assert read_retry_after("Mon, 02 Nov 2020 10:00:00 GMT") == 0
    assert [read_retry_after(value) for value in (None, "", "soon", "9" * 5000)] == [None] * 4


def test_an_attempt_must_bring_a_part_of_the_file():
    assert is_fruitful(64 * 1024, 10)
    assert not is_fruitful(64 * 1024 - 1, 10)
    assert not is_fruitful(10**6 - 1, 10**8)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://me:word@host:1/a@b?x=1#y", "https://host:1/a@b"),
        ("https://host/a", "https://host/a"),
        ("hf:owner/repo/file@main", "hf:owner/repo/file@main"),
        ("s3://bucket/a?versionId=3", "s3://bucket/a"),
        ("https://a@b@host", "https://host"),
        ("https://host/\x1b[31m\n", r"https://host/\x1b[31m\n"),
        ("", ""),
    ],
)
def test_secrets_and_control_characters_are_not_shown(url, shown):
    assert redact(url) == shown


def test_foreign_text_is_scrubbed():
    url = "https://me:pass%20word@host/file?token=abcd&x=1"
    text = f"cannot read {url} (/file?token=abcd&x=1, user me, pass word, pass%20word), nor 'https://u:p@other/?q'\n"
    assert scrub(text, url) == (r"cannot read https://host/file (/file?***, user me, ***, ***), nor 'https://other/'\n")
    assert scrub("[bad", "https://[") == "[bad"


@given(st.text(max_size=20))
def test_what_is_printable_is_on_one_line(text):
    assert printable(text).isprintable()


@given(st.text(min_size=1, max_size=300), st.sampled_from([".safetensors", ".weights.h5"]))
def test_file_names_in_the_cache_are_safe(name, suffix):
    file = RemoteFile(name=name, sources=("x:y",), bytes=1, sha256="0" * 64, suffix=suffix)
    made = file.file_name
    assert set(made) <= set("abcdefghijklmnopqrstuvwxyz0123456789._-")
    assert made.startswith("0" * 16 + "-")
    assert made.endswith(suffix)
    assert ".." not in made
    assert len(made) < 130


def test_names_are_of_hash_and_name():
    file = remote("https://host/from-the-server.bin", name="../ReSUNet v1.Nuclei")
    assert file.file_name == f"{file.sha256[:16]}-resunet-v1.nuclei.safetensors"


def test_a_hash_in_upper_case_is_taken():
    assert RemoteFile(name="n", sources=("x:y",), bytes=1, sha256="AB" * 32).sha256 == "ab" * 32


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("sha256", "ab", "64 hexadecimal digits"),
        ("sha256", None, "64 hexadecimal digits"),
        ("bytes", 0, "size of the file"),
        ("bytes", True, "size of the file"),
        ("bytes", 2**40 + 1, "size of the file"),
        ("sources", (), "at least one URL"),
        ("sources", ["https://host/file"], "at least one URL"),
        ("sources", ("/a/b",), "the source '/a/b' has no scheme"),
        ("suffix", "../x", "`suffix`"),
        ("name", "", "`name`"),
    ],
)
def test_an_ill_formed_file_is_refused(field, value, words):
    fields = {"name": "n", "sources": ("x:y",), "bytes": 1, "sha256": "0" * 64, field: value}
    with pytest.raises(RegistryError, match=words):
        RemoteFile(**fields)


def test_schemes_are_read_in_any_case():
    assert [scheme_of(url) for url in ("HTTPS://h/", "package:x", "a+b:c", "/path", ":x", "x:")] == [
        "https",
        "package",
        "a+b",
        "",
        "",
        "",
    ]


def test_the_cache_folder_is_where_the_environment_says(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("ZOO_HOME", "~/zoo")
    assert places.cache_folder() == Path.home() / "zoo" / "weights"
    monkeypatch.setenv("ZOO_HOME", "here")
    assert places.cache_folder() == Path.cwd() / "here" / "weights"
    monkeypatch.setenv("ZOO_HOME", "")
    assert places.cache_folder() == tmp_path / "resunet-zoo" / "weights"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert places.cache_folder().parts[-2:] == ("resunet-zoo", "weights")
    assert "relative" not in places.cache_folder().parts


@pytest.mark.parametrize(
    ("value", "meant"), [("1", True), ("TRUE", True), ("yes", True), ("", False), ("0", False), ("off", False)]
)
def test_flags_of_the_environment(monkeypatch, value, meant):
    monkeypatch.setenv("ZOO_OFFLINE", value)
    monkeypatch.setenv("ZOO_ALLOW_HTTP", value)
    assert places.is_offline() is places.is_http_allowed() is meant


def test_a_flag_that_is_neither_is_an_error(monkeypatch):
    monkeypatch.setenv("ZOO_OFFLINE", "perhaps")
    with pytest.raises(ConfigError, match=r"ZOO_OFFLINE is 1, true, yes or on, .* Received: ZOO_OFFLINE='perhaps'"):
        places.is_offline()


def test_new_folders_are_closed_to_others(tmp_path):
    before = os.umask(0)
    try:
        places.make_folder(tmp_path / "a" / "b")
    finally:
        os.umask(before)
    assert [path.stat().st_mode & 0o777 for path in (tmp_path / "a", tmp_path / "a" / "b")] == [0o755, 0o755]
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError):
        places.make_folder(tmp_path / "file" / "b")


def test_limits_of_the_tests_are_shorter_than_the_real_ones():
    assert QUICK.backoff < Limits().backoff
