"""What `fetch` does around the transfer: packages, the cache, mirrors, the folder and the disk, hooks, offline."""

from __future__ import annotations

import errno
import os
import socket
import stat
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import pytest
from downloads import BODY, OTHER, QUICK, quick, remote
from hostile_server import cut, good, plain, status

from zoo.errors import ConfigError, DownloadError, IntegrityError, MissingExtraError
from zoo.weights import places
from zoo.weights.cache import look_up
from zoo.weights.download import fetch, fetch_text
from zoo.weights.hooks import DownloadEvent, add_hook
from zoo.weights.parts import Part, part_name

ROOT = Path(__file__).parents[2]
SIZE = len(BODY)


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package with a file of weights, as a plug-in has it."""
    folder = tmp_path / "site" / "plugged"
    (folder / "files").mkdir(parents=True)
    (folder / "__init__.py").touch()
    (folder / "files" / "own.safetensors").write_bytes(BODY)
    monkeypatch.syspath_prepend(folder.parent)
    yield folder
    sys.modules.pop("plugged", None)


def mode_of(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_the_second_call_asks_nobody(home, server):
    file = remote(server.on(good(BODY)))
    first = fetch(file, limits=QUICK)
    assert first == home / file.file_name
    assert fetch(file, limits=QUICK) == first
    assert len(server.seen) == 1


@pytest.mark.parametrize("umask", [0, 0o022, 0o077])
def test_others_cannot_write_into_the_cache(home, server, umask):
    before = os.umask(umask)
    try:
        path = fetch(remote(server.on(good(BODY))), limits=QUICK)
    finally:
        os.umask(before)
    assert mode_of(path) == 0o644 & ~umask
    assert mode_of(home) == mode_of(home.parent) == 0o755 & ~umask
    assert mode_of(path.with_name(path.name + ".lock")) == 0o644 & ~umask


@pytest.mark.parametrize("content", [BODY[:-1], BODY + b"x", OTHER, b""])
def test_a_damaged_file_in_the_cache_is_fetched_anew(home, server, content, caplog):
    file = remote(server.on(good(BODY)))
    home.mkdir(parents=True)
    (home / file.file_name).write_bytes(content)
    assert fetch(file, limits=QUICK).read_bytes() == BODY
    assert "is damaged" in caplog.text


def test_a_damaged_file_in_the_cache_is_gone_even_if_no_source_helps(home, server):
    file = remote(server.on(status(404)))
    home.mkdir(parents=True)
    (home / file.file_name).write_bytes(OTHER)
    with pytest.raises(DownloadError):
        fetch(file, limits=QUICK)
    assert not (home / file.file_name).exists()


@pytest.mark.parametrize("kind", ["link", "dangling link", "folder", "pipe"])
def test_what_is_not_a_file_is_refused_in_the_cache(home, server, tmp_path, kind):
    file = remote(server.on(good(BODY)))
    home.mkdir(parents=True)
    path, target = home / file.file_name, tmp_path / "target"
    if "link" in kind:
        path.symlink_to(target)
    if kind == "link":
        target.write_bytes(BODY)
    if kind == "folder":
        path.mkdir()
    if kind == "pipe":
        os.mkfifo(path)
    words = "symbolic link" if "link" in kind else "not a regular file"
    with pytest.raises(DownloadError, match=f"cannot be used: it is .*{words}.* Remove it"):
        fetch(file, limits=QUICK)
    assert server.seen == []
    assert target.exists() == (kind == "link")
    path.rmdir() if kind == "folder" else path.unlink()


def test_a_temporary_file_is_never_opened_through_a_link(home, tmp_path, monkeypatch):
    home.mkdir(parents=True)
    monkeypatch.setattr("zoo.weights.parts.part_name", lambda final: "planted.part")
    (home / "planted.part").symlink_to(tmp_path / "target")
    with pytest.raises(FileExistsError):
        Part(home, "final")
    assert not (tmp_path / "target").exists()
    (home / "planted.part").unlink()


def test_mirrors_are_asked_in_order_and_all_reasons_are_told(home, server):
    urls = [server.on(act, path=f"/{place}") for place, act in enumerate((status(404), plain(OTHER), status(503)))]
    secret = urls[0] + "?key=abcdef"
    with pytest.raises(DownloadError) as caught:
        fetch(remote(secret, urls[1], urls[2], "file:///nowhere/x"), limits=QUICK)
    lines = str(caught.value).splitlines()
    assert lines[1] == f"  {urls[0]}: the server answers 404 Not Found"
    assert lines[2].startswith(f"  {urls[1]}: its SHA-256 is ")
    assert lines[3] == f"  {urls[2]}: the server answers 503 Service Unavailable"
    assert lines[4] == "  file:///nowhere/x: /nowhere/x cannot be read: No such file or directory"
    assert f"{SIZE:,} bytes with the SHA-256" in lines[5]
    assert "`zoo weights import FILE`" in lines[5]
    assert "abcdef" not in str(caught.value)


def test_a_file_of_a_package_is_used_in_place(home, package):
    path = fetch(remote("package:plugged/files/own.safetensors"))
    assert path == package / "files" / "own.safetensors"
    assert not home.exists()


def test_a_file_of_the_zoo_itself_is_in_its_folder(home, monkeypatch):
    asked = []
    monkeypatch.setattr("importlib.resources.files", lambda package: asked.append(package) or ROOT / "tests")
    with pytest.raises(DownloadError, match=r"the package zoo\.weights has no file files/mine"):
        fetch(remote("package:mine"), limits=QUICK)
    assert asked == ["zoo.weights"]


def test_a_damaged_file_of_a_package_is_named_and_the_next_source_used(home, package, server):
    (package / "files" / "own.safetensors").write_bytes(OTHER)
    damaged = "package:plugged/files/own.safetensors"
    with pytest.raises(IntegrityError, match=r"is damaged: its SHA-256 is .*; install the package again"):
        fetch(remote(damaged), limits=QUICK)
    assert fetch(remote(damaged, server.on(good(BODY))), limits=QUICK).parent == home


@pytest.mark.parametrize(
    "name", ["plugged/../secret", "plugged//etc/passwd", "plugged/files/..", "../x", "plug-ged/x", "plugged/a\\b", "..", "C:/x"]
)
def test_a_path_never_leaves_its_package(home, package, name):
    (package.parent / "secret").write_bytes(BODY)
    with pytest.raises(DownloadError, match="stay inside the package"):
        fetch(remote(f"package:{name}"), limits=QUICK)


def test_a_package_that_is_missing_is_named(home, package):
    for name, words in (
        ("not.there/x", "the package not.there is not installed"),
        ("plugged/x", "has no file x"),
        ("plugged/files", "has no file files"),
    ):
        with pytest.raises(DownloadError, match=words):
            fetch(remote(f"package:{name}"), limits=QUICK)


def test_a_package_in_a_zip_file_is_read_into_the_cache(home, tmp_path, monkeypatch):
    archive = tmp_path / "zipped.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("zipped/__init__.py", "")
        file.writestr("zipped/own.bin", BODY)
    monkeypatch.syspath_prepend(archive)
    path = fetch(remote("package:zipped/own.bin"), limits=QUICK)
    assert path.parent == home
    assert path.read_bytes() == BODY


def test_no_socket_is_opened_offline(home, server, monkeypatch, tmp_path):
    opened = []

    def forbidden(*arguments, **_options):
        opened.append(arguments)  # an error alone would only be one more reason in the message
        message = "a socket was opened"
        raise AssertionError(message)

    file = remote(server.on(good(BODY)).replace("://", "://me:hunter22@"), "hf:owner/repo/x@main", "s3://bucket/x", "mine:x")
    source = tmp_path / "by hand"
    source.write_bytes(OTHER)
    monkeypatch.setattr(socket, "socket", forbidden)
    monkeypatch.setattr(socket, "create_connection", forbidden)
    monkeypatch.setattr(socket, "getaddrinfo", forbidden)
    monkeypatch.setenv("ZOO_OFFLINE", "yes")
    monkeypatch.setattr("zoo.weights.fetchers._registered", {"mine": forbidden})
    with pytest.raises(DownloadError) as caught:
        fetch(file, limits=QUICK)
    message = str(caught.value)
    for part in (file.name, f"{SIZE:,} bytes", file.sha256, server.url(), "hf:owner/repo/x@main", str(home / file.file_name)):
        assert part in message
    assert "`zoo weights import FILE`" in message
    assert "hunter22" not in message
    assert fetch(remote("mine:x", source.as_uri(), body=OTHER), limits=QUICK).read_bytes() == OTHER
    home.joinpath(file.file_name).write_bytes(BODY)
    assert fetch(file) == home / file.file_name
    with pytest.raises(DownloadError, match="ZOO_OFFLINE forbids it"):
        fetch_text("https://host/manifest.json", 100)
    assert opened == []
    assert "a socket was opened" not in message


def test_a_small_file_without_a_hash_is_read_to_its_limit(home, server, tmp_path):
    url = server.on(status(503), plain(b'{"format": 1}'))
    assert fetch_text(url, 100, limits=QUICK) == b'{"format": 1}'
    with pytest.raises(DownloadError, match="more than 12 bytes came"):
        fetch_text(url, 12, limits=QUICK)
    with pytest.raises(DownloadError, match="404 Not Found"):
        fetch_text(server.url("/other?secret"), 12, limits=QUICK)
    (tmp_path / "manifest").write_bytes(b"12")
    assert fetch_text((tmp_path / "manifest").as_uri(), 12) == b"12"
    assert not home.exists()


def test_a_flag_that_cannot_be_read_stops_everything(home, server, monkeypatch):
    monkeypatch.setenv("ZOO_ALLOW_HTTP", "perhaps")
    with pytest.raises(ConfigError, match="ZOO_ALLOW_HTTP"):
        fetch(remote(server.on(good(BODY)), "file:///x"), limits=QUICK)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EIO])
def test_a_write_that_fails_ends_the_download(home, server, monkeypatch, code):
    real, written = os.write, []

    def write(fd, data):
        written.append(len(data))
        if len(written) > 1:
            raise OSError(code, os.strerror(code))
        return real(fd, bytes(data)[:1000])

    monkeypatch.setattr("zoo.weights.parts.os.write", write)
    file = remote(server.on(good(BODY)), server.url("/file?2"))
    with pytest.raises(DownloadError) as caught:
        fetch(file, limits=QUICK)
    message = str(caught.value)
    assert f"cannot be put into the cache folder {home}: {os.strerror(code)}" in message
    assert f"Needed: {SIZE - 1000:,} bytes; free there: " in message
    assert "ZOO_HOME" in message
    assert len(server.seen) == 1, "no mirror helps against a full disk"


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_disk_that_fails_at_the_end_gives_no_file(home, server, monkeypatch, call):
    def failing(*_args):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(f"zoo.weights.parts.os.{call}", failing)
    with pytest.raises(DownloadError, match="Input/output error"):
        fetch(remote(server.on(good(BODY))), limits=QUICK)
    assert not [path for path in home.iterdir() if path.suffix != ".lock"]


def test_a_disk_without_room_is_noticed_before_anything_is_asked(home, server, monkeypatch):
    monkeypatch.setattr(places, "free_bytes", lambda folder: SIZE - 1)
    with pytest.raises(
        DownloadError, match=rf"the disk has no room for it\. Needed: {SIZE:,} bytes; free there: {SIZE - 1:,} bytes"
    ):
        fetch(remote(server.on(good(BODY))), limits=QUICK)
    assert server.seen == []


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 400 KB of its own."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", folder], capture_output=True, check=False).returncode:
        pytest.skip("a disk can only be mounted by root, and not in every container")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def test_a_disk_that_is_full_is_an_error_and_nothing_is_left(home, server, small_disk, monkeypatch):
    monkeypatch.setenv("ZOO_HOME", str(small_disk))
    monkeypatch.setattr(places, "free_bytes", lambda folder: None)  # so that it fills up while it is written
    body = BODY * 4
    with pytest.raises(DownloadError, match="No space left on device"):
        fetch(remote(server.on(good(body)), body=body), limits=QUICK)
    assert [path.suffix for path in (small_disk / "weights").iterdir()] == [".lock"]
    assert fetch(remote(server.on(good(BODY))), limits=QUICK).read_bytes() == BODY


def test_a_cache_that_can_only_be_read_serves_what_it_has(home, server, small_disk, monkeypatch):
    monkeypatch.setenv("ZOO_HOME", str(small_disk))
    file, other = remote(server.on(good(BODY))), remote(server.url(), body=OTHER)
    path = fetch(file, limits=QUICK)
    (path.parent / other.file_name).write_bytes(b"damaged")
    missing = remote(server.url(), body=OTHER[1:])
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    assert fetch(file, limits=QUICK) == path
    with pytest.raises(IntegrityError, match=r"is damaged: it has 7 bytes.* cannot be removed: Read-only file system.*ZOO_HOME"):
        fetch(other, limits=QUICK)
    with pytest.raises(DownloadError, match=f"cannot be put into the cache folder {path.parent}: Read-only file system"):
        fetch(missing, limits=QUICK)
    assert len(server.seen) == 1


def test_a_folder_without_permission_is_named(tmp_path):
    """By an ordinary user, as root may write anywhere; first once with success, so that all modules are loaded by then."""
    (tmp_path / "closed").mkdir(0o555)
    (tmp_path / "source").write_bytes(BODY)
    program = f"""
import os, sys
sys.path[:0] = {[str(ROOT), str(Path(__file__).parent)]!r}
os.environ["ZOO_HOME"] = {str(tmp_path / "open")!r}
from downloads import BODY, remote
from zoo.weights.download import fetch
file = remote({(tmp_path / "source").as_uri()!r})
fetch(file)
{"" if os.geteuid() else "os.setgid(65534); os.setuid(65534)"}
os.environ["ZOO_HOME"] = {str(tmp_path / "closed")!r}
try:
    fetch(file)
except OSError as error:
    print(type(error).__name__, error)
"""
    for path in (tmp_path, *tmp_path.parents[:3]):  # pytest's own folders are closed to others
        if path != Path(tempfile.gettempdir()):
            path.chmod(0o755)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert (
        f"FolderError The file cannot be put into the cache folder {tmp_path / 'closed' / 'weights'}: Permission" in done.stdout
    )
    assert "ZOO_HOME" in done.stdout


def test_a_file_in_the_place_of_the_folder_is_named(home, server):
    home.parent.write_bytes(b"")
    with pytest.raises(DownloadError, match=r"a file is in the place of the folder|Not a directory|File exists"):
        fetch(remote(server.on(good(BODY))), limits=QUICK)
    home.parent.unlink()


def test_events_say_what_became_of_each_source(home, server):
    found = []
    remove = add_hook(after=found.append)
    bad, right = server.on(status(404), path="/bad"), server.on(good(BODY), path="/right")
    file = remote(bad + "?token=abcdef", right)
    fetch(file, limits=QUICK)
    remove()
    fetch(remote(right, body=BODY, name="another"), limits=QUICK)
    assert [(event.name, event.url, event.bytes, event.ok, event.reason) for event in found] == [
        (file.name, bad, 0, False, "the server answers 404 Not Found"),
        (file.name, right, SIZE, True, ""),
    ]
    assert all(isinstance(event, DownloadEvent) and event.seconds >= 0 for event in found)


@pytest.mark.parametrize("role", ["before", "after", "progress"])
def test_a_hook_that_raises_stops_the_download(home, server, role):
    def raising(*_args):
        message = "no, not https://me:word@host/x"
        raise ValueError(message)

    events = []
    removing = [add_hook(after=events.append), add_hook(**{role: raising})]
    try:
        with pytest.raises(DownloadError, match=f"a `{role}` hook raised ValueError: no, not https://host/x"):
            fetch(remote(server.on(good(BODY)), server.url("/file?2")), limits=QUICK)
    finally:
        for remove in removing:
            remove()
    assert len(server.seen) == (0 if role == "before" else 1)
    assert [event.ok for event in events] == [role == "after"]


@pytest.mark.parametrize(
    ("headers", "words"),
    [
        ("text", "returns a mapping of headers or None, not str"),
        ({"Range": "bytes=0-1"}, "set the header 'Range', which the download sets itself"),
        ({"X-A": "b\r\nX-C: d"}, "gave the header 'X-A', which is not printable text"),
        ({"X-A": 1}, "gave the header 'X-A', which is not printable text"),
    ],
)  # fmt: skip
def test_headers_of_a_hook_are_checked(home, server, headers, words):
    remove = add_hook(before=lambda request: headers)
    try:
        with pytest.raises(DownloadError, match=words):
            fetch(remote(server.on(good(BODY))), limits=QUICK)
    finally:
        remove()
    assert server.seen == []


def test_hooks_hear_of_progress(home, server):
    told = []
    remove = add_hook(progress=lambda done, total: told.append((done, total)))
    fetch(remote(server.on(cut(BODY, SIZE // 2), good(BODY))), limits=QUICK)
    remove()
    assert told[-1] == (SIZE, SIZE)


def test_a_bar_is_shown_at_a_terminal_only(home, server, monkeypatch, capsys):
    fetch(remote(server.on(good(BODY))), limits=QUICK)
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    fetch(remote(server.on(good(OTHER)), body=OTHER), limits=QUICK)
    assert "test-v1" in capsys.readouterr().err


def test_an_interrupted_call_leaves_its_part_for_the_next(home, server):
    def interrupt(done, total):
        if done > SIZE // 4:
            raise KeyboardInterrupt

    file = remote(server.on(good(BODY)))
    with pytest.raises(KeyboardInterrupt):
        fetch(file, progress=interrupt, limits=QUICK)
    (part,) = home.glob("*.part")
    assert 0 < part.stat().st_size < SIZE
    assert fetch(file, limits=QUICK).read_bytes() == BODY
    assert server.seen[1].range is not None
    assert "if-range" not in server.seen[1].headers


def abandon(home, file, content):
    """Puts a temporary file there, by a process that is gone."""
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        pass
    home.mkdir(parents=True, exist_ok=True)
    path = home / part_name(file.file_name).replace(f"-{os.getpid()}-", f"-{process.pid}-")
    path.write_bytes(content)
    return path


def test_a_part_of_a_dead_process_is_gone_on_with(home, server):
    file = remote(server.on(good(BODY)))
    abandon(home, file, BODY[:10])
    abandon(home, file, BODY[:-1000])
    abandon(home, file, BODY + b"x")
    assert fetch(file, limits=QUICK).read_bytes() == BODY
    assert server.seen[0].range == f"bytes={SIZE - 1000}-"
    assert not [*home.glob("*.part")]


def test_a_whole_part_of_a_dead_process_needs_no_request(home, server):
    file = remote(server.on(good(BODY)))
    abandon(home, file, BODY)
    assert fetch(file, limits=QUICK).read_bytes() == BODY
    assert server.seen == []


@pytest.mark.parametrize("content", [OTHER, OTHER[:1000]])
def test_a_wrong_part_of_a_dead_process_does_no_harm(home, server, content):
    file = remote(server.on(good(BODY)))
    abandon(home, file, content)
    assert fetch(file, limits=QUICK).read_bytes() == BODY
    assert server.seen[-1].range is None


def test_a_part_that_is_a_link_is_not_read(home, server, tmp_path):
    file = remote(server.on(good(BODY)))
    (tmp_path / "secret").write_bytes(OTHER[:500])
    path = abandon(home, file, b"")
    path.unlink()
    path.symlink_to(tmp_path / "secret")
    assert fetch(file, limits=QUICK).read_bytes() == BODY
    assert server.seen[0].range is None
    assert (tmp_path / "secret").read_bytes() == OTHER[:500]


def test_parts_of_living_processes_and_of_other_hosts_are_left_alone(home, server):
    file = remote(server.on(good(BODY)))
    home.mkdir(parents=True)
    living = home / part_name(file.file_name).replace(f"-{os.getpid()}-", f"-{os.getppid()}-")
    elsewhere = home / f"{file.file_name}.00000000-1-00000000.part"
    for path in (living, elsewhere):
        path.write_bytes(BODY[:1000])
    assert fetch(file, limits=QUICK).read_bytes() == BODY
    assert server.seen[0].range is None
    for path in (living, elsewhere):
        assert path.read_bytes() == BODY[:1000]
        path.unlink()


def test_a_temporary_file_that_somebody_removes_is_an_error(home, server):
    def remove(done, total):
        for path in home.glob("*.part"):
            path.unlink()

    with pytest.raises(DownloadError, match="another program removed the temporary file"):
        fetch(remote(server.on(good(BODY))), progress=remove, limits=QUICK)


def test_a_temporary_file_that_somebody_replaces_is_never_published(home, server):
    def replace(done, total):
        if done == total:
            for path in home.glob("*.part"):
                path.unlink()
                path.write_bytes(OTHER)

    file = remote(server.on(good(BODY)))
    with pytest.raises(DownloadError, match="another program removed the temporary file"):
        fetch(file, progress=replace, limits=QUICK)
    assert not (home / file.file_name).exists()


def test_a_right_file_that_comes_while_a_damaged_one_is_read_is_kept(home, server, monkeypatch):
    """Without locks, another process may put the right file there between the look and the removal."""
    file = remote(server.on(good(BODY)))
    home.mkdir(parents=True)
    path = home / file.file_name
    path.write_bytes(OTHER)

    def overtaken(fd, wanted):
        (home / "new").write_bytes(BODY)
        (home / "new").replace(path)
        return "damaged"

    with monkeypatch.context() as patch:
        patch.setattr("zoo.weights.cache.difference", overtaken)
        assert look_up(file, home) is None
    assert path.read_bytes() == BODY


def test_a_missing_package_is_named_if_it_is_the_only_reason(home, server, monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'resunet-zoo\[hf\]'"):
        fetch(remote("hf:owner/repo/x@main"), limits=QUICK)
    with pytest.raises(DownloadError, match=r"(?s)pip install 'resunet-zoo\[hf\]'.*404"):
        fetch(remote("hf:owner/repo/x@main", server.on(status(404))), limits=QUICK)


def test_limits_are_passed_on(home, server):
    with pytest.raises(DownloadError):
        fetch(remote(server.on(status(503))), limits=quick(attempts=7))
    assert len(server.seen) == 7
