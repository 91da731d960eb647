"""Fetchers: built in, of optional packages, and of one's own; what they give is checked by the same rules."""

from __future__ import annotations

import sys
import types
from pathlib import Path

import fsspec
import pytest
from downloads import BODY, OTHER, QUICK, quick, remote
from hostile_server import cut, good, redirect

from zoo.errors import DownloadError, IntegrityError, MissingExtraError, RegistryError
from zoo.weights.download import fetch
from zoo.weights.fetchers import FetchRequest, Partial, register_fetcher

SIZE = len(BODY)


@pytest.fixture
def mine(home):
    """Registers a fetcher for `mine:` URLs; undone after the test."""
    undoing = []

    def register(function, **options):
        undoing.append(register_fetcher("mine", function, **options))
        return remote("mine:secret-bucket/file?token=abcdef")

    yield register
    for undo in reversed(undoing):
        undo()


def in_pieces(data, size=10_000):
    return [data[start : start + size] for start in range(0, len(data), size)]


def test_a_fetcher_of_ones_own_gives_bytes_in_pieces(mine):
    asked = []

    def fetcher(request):
        asked.append(request)
        return in_pieces(BODY)

    file = mine(fetcher)
    assert fetch(file, limits=QUICK).read_bytes() == BODY
    (request,) = asked
    assert isinstance(request, FetchRequest)
    assert (request.url, request.size, request.start, request.name) == (file.sources[0], SIZE, 0, file.name)


@pytest.mark.parametrize("kind", [bytearray, memoryview])
def test_any_kind_of_bytes_will_do(mine, kind):
    assert fetch(mine(lambda request: map(kind, in_pieces(BODY))), limits=QUICK).read_bytes() == BODY


def test_a_fetcher_may_go_on_where_it_broke(mine):
    asked = []

    def fetcher(request):
        asked.append((request.start, request.etag))

        def chunks():
            yield BODY[request.start : request.start + SIZE // 2]
            if request.start == 0:
                raise ConnectionResetError

        return Partial(start=request.start, chunks=chunks(), etag="version 7")

    assert fetch(mine(fetcher), limits=QUICK).read_bytes() == BODY
    assert asked == [(0, ""), (SIZE // 2, "version 7")]


def test_a_fetcher_may_begin_anew(mine):
    asked = []

    def fetcher(request):
        asked.append(request.start)
        yield BODY[: SIZE // 2]
        if len(asked) == 1:
            raise TimeoutError
        yield BODY[SIZE // 2 :]

    assert fetch(mine(fetcher), limits=QUICK).read_bytes() == BODY
    assert asked == [0, SIZE // 2]


@pytest.mark.parametrize(
    ("give", "words", "error"),
    [
        (lambda request: ["text"], "its fetcher gave str, not bytes", DownloadError),
        (lambda request: BODY, "its fetcher gave int, not bytes", DownloadError),
        (lambda request: None, "TypeError", DownloadError),
        (lambda request: Partial(start=5, chunks=[]), "its fetcher began at byte 5, not at 0 or 0", DownloadError),
        (lambda request: [OTHER], "its SHA-256 is", IntegrityError),
        (lambda request: [BODY, b"x"], f"more than {SIZE:,} bytes came", IntegrityError),
        (lambda request: (bytes(1000) for _ in iter(int, 1)), f"more than {SIZE:,} bytes came", IntegrityError),
        (lambda request: [BODY[:-1]], "it ended after 149,999 of 150,000 bytes", DownloadError),
        (lambda request: 1 / 0, "ZeroDivisionError: division by zero", DownloadError),
    ],
)
def test_what_a_fetcher_gives_is_checked(mine, give, words, error):
    with pytest.raises(error) as caught:
        fetch(mine(give), limits=QUICK)
    assert words in str(caught.value)


def test_what_a_fetcher_says_is_scrubbed(mine):
    def fetcher(request):
        message = f"no {request.url}, nor https://me:word@host/x?y"
        raise OSError(message)

    with pytest.raises(DownloadError) as caught:
        fetch(mine(fetcher), limits=QUICK)
    assert "abcdef" not in str(caught.value)
    assert "word" not in str(caught.value)
    assert "nor https://host/x" in str(caught.value)


def test_connections_are_tried_again_and_other_errors_are_not(mine):
    tried, errors = [], []

    def fetcher(request):
        tried.append(1)
        raise errors[-1]

    file = mine(fetcher)
    for error, times in ((ConnectionError(), 4), (TimeoutError(), 4), (KeyError("x"), 1), (PermissionError(), 1)):
        tried.clear()
        errors.append(error)
        with pytest.raises(DownloadError):
            fetch(file, limits=quick(attempts=4))
        assert len(tried) == times


def test_a_taken_scheme_needs_a_word(mine):
    first = lambda request: [OTHER]  # noqa: E731
    mine(first)
    for scheme in ("mine", "https", "file"):
        with pytest.raises(RegistryError, match=f"'{scheme}' has a fetcher already. Use replace=True"):
            register_fetcher(scheme, first)
    file = mine(lambda request: [BODY], replace=True)
    assert fetch(file, limits=QUICK).read_bytes() == BODY


def test_undoing_brings_the_former_one_back(home):
    undo = register_fetcher("https", lambda request: [BODY], replace=True)
    assert fetch(remote("https://nowhere.invalid/x"), limits=QUICK).read_bytes() == BODY
    undo()
    register_fetcher("https", print, replace=True)()
    from zoo.weights import fetchers

    assert fetchers._registered == {}


@pytest.mark.parametrize(("scheme", "function"), [("Mine", print), ("my scheme", print), ("", print), (None, print), ("mine", 5)])
def test_an_ill_formed_registration_is_refused(scheme, function):
    with pytest.raises(RegistryError, match="takes a scheme in lower case"):
        register_fetcher(scheme, function)
    with pytest.raises(RegistryError, match="'package' cannot be replaced"):
        register_fetcher("package", print, replace=True)


def test_an_unknown_scheme_says_what_there_is(home, monkeypatch):
    with pytest.raises(
        DownloadError,
        match=r"nothing fetches htps: URLs; did you mean 'https'.* There are file, hf, http, https, kaggle, package",
    ):
        fetch(remote("htps://host/x"), limits=QUICK)
    monkeypatch.setitem(sys.modules, "fsspec", None)
    with pytest.raises(MissingExtraError, match=r"nothing fetches s3: URLs.*pip install 'resunet-zoo\[fsspec\]'"):
        fetch(remote("s3://bucket/x"), limits=QUICK)


def test_files_on_disk_are_copied_into_the_cache(home, tmp_path):
    source = tmp_path / "a b%c#?ü"
    source.write_bytes(BODY)
    path = fetch(remote(source.as_uri()), limits=QUICK)
    assert path.parent == home
    source.write_bytes(OTHER)
    assert path.read_bytes() == BODY


@pytest.mark.parametrize("url", ["file:relative", "file://host/x", "file:./x", "file:///x?y", "file:///x#y"])
def test_other_file_urls_are_refused(home, url):
    with pytest.raises(DownloadError, match="file: URLs are file:///absolute/path"):
        fetch(remote(url), limits=QUICK)


def test_a_file_on_disk_is_checked_like_any_other(home, tmp_path):
    source = tmp_path / "file"
    source.write_bytes(OTHER)
    with pytest.raises(IntegrityError, match="its SHA-256 is"):
        fetch(remote(source.as_uri()), limits=QUICK)
    source.write_bytes(b"123")
    with pytest.raises(IntegrityError, match="has 3 bytes, not 150,000"):
        fetch(remote(source.as_uri()), limits=QUICK)
    for url in ("file:///dev/zero", tmp_path.as_uri(), "file:///x%00y"):
        with pytest.raises(DownloadError, match=r"not a regular file|null byte"):
            fetch(remote(url), limits=QUICK)


@pytest.fixture
def hub(server, monkeypatch):
    """The server in the place of Hugging Face."""
    monkeypatch.setenv("HF_ENDPOINT", server.url(""))
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    return server


def test_hugging_face_is_asked_for_a_revision_and_its_token_stays_there(home, hub):
    path = "/owner/repo/resolve/v1.0/folder/x.safetensors"
    hub.on(redirect(hub.url("/cdn", host="localhost")), path=path)
    hub.on(cut(BODY, SIZE // 2, etag='"1"'), good(BODY, etag='"1"'), path="/cdn")
    assert fetch(remote("hf:owner/repo/folder/x.safetensors@v1.0"), limits=QUICK).read_bytes() == BODY
    assert [seen.path for seen in hub.seen] == [path, "/cdn", path, "/cdn"]
    assert hub.seen[3].range is not None
    assert [seen.headers.get("authorization") for seen in hub.seen] == ["Bearer hf_secret", None, "Bearer hf_secret", None]


def test_without_a_revision_hugging_face_gives_its_main_one(home, hub):
    hub.on(good(BODY), path="/owner/repo/resolve/main/x")
    assert fetch(remote("hf://owner/repo/x"), limits=QUICK).read_bytes() == BODY


@pytest.mark.parametrize("url", ["hf:owner/repo", "hf:owner//x", "hf:owner/repo/../x", "hf:owner/repo/x@"])
def test_other_hf_urls_are_refused(home, hub, url):
    with pytest.raises(DownloadError, match="hf: URLs are hf:owner/repo/path@revision"):
        fetch(remote(url), limits=QUICK)


def test_hugging_face_is_not_asked_where_its_own_switch_forbids_it(home, hub, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(DownloadError, match="HF_HUB_OFFLINE forbids Hugging Face"):
        fetch(remote("hf:owner/repo/x"), limits=QUICK)
    assert hub.seen == []


def test_kaggle_downloads_into_a_folder_that_is_gone_afterwards(home, monkeypatch):
    asked = []

    def model_download(handle, *, path, output_dir):
        asked.append((handle, path, output_dir))
        Path(output_dir, "x.safetensors").write_bytes(BODY)
        return f"{output_dir}/x.safetensors"

    monkeypatch.setitem(sys.modules, "kagglehub", types.SimpleNamespace(model_download=model_download))
    assert fetch(remote("kaggle:owner/model/keras/base/2/folder/x.safetensors"), limits=QUICK).read_bytes() == BODY
    ((handle, path, folder),) = asked
    assert (handle, path) == ("owner/model/keras/base/2", "folder/x.safetensors")
    assert folder.startswith(str(home))
    assert len([*home.iterdir()]) == 2, "the file and its lock"


def test_kaggle_is_as_much_optional_as_the_others(home, monkeypatch):
    monkeypatch.setitem(sys.modules, "kagglehub", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'resunet-zoo\[kaggle\]'"):
        fetch(remote("kaggle:owner/model/keras/base/2/x"), limits=QUICK)
    for url in ("kaggle:owner/model", "kaggle:owner/model/keras/base/latest/x", "kaggle:o/m/k/b/1/../x"):
        with pytest.raises(DownloadError, match="kaggle: URLs are"):
            fetch(remote(url), limits=QUICK)


@pytest.fixture
def memory():
    system = fsspec.filesystem("memory")
    system.pipe("/bucket/right", BODY)
    system.pipe("/bucket/wrong", OTHER)
    yield
    system.rm("/bucket", recursive=True)


def test_file_systems_of_fsspec_are_read(home, memory):
    assert fetch(remote("memory://bucket/right"), limits=QUICK).read_bytes() == BODY


@pytest.mark.parametrize(
    ("url", "words", "error"),
    [
        ("memory://bucket/wrong", "its SHA-256 is", IntegrityError),
        ("memory://bucket/nothing", "FileNotFoundError", DownloadError),
        ("simplecache::memory://bucket/right", "chained URLs of fsspec are not taken", DownloadError),
        ("memory://bucket/right::memory://x", "chained URLs of fsspec are not taken", DownloadError),
    ],
)
def test_file_systems_of_fsspec_are_checked(home, memory, url, words, error):
    with pytest.raises(error, match=words):
        fetch(remote(url), limits=QUICK)


def test_fsspec_goes_on_where_another_mirror_broke(home, server, memory):
    told = []
    file = remote(server.on(cut(BODY, SIZE // 2)), "memory://bucket/right")
    path = fetch(file, progress=lambda done, total: told.append(done), limits=quick(attempts=1))
    assert path.read_bytes() == BODY
    assert told.count(0) == 1


def test_a_file_of_another_size_is_refused_before_it_is_read(home, memory):
    fsspec.filesystem("memory").pipe("/bucket/short", b"123")
    with pytest.raises(IntegrityError, match="the file there has 3 bytes, not 150,000"):
        fetch(remote("memory://bucket/short"), limits=QUICK)


def test_a_package_that_a_file_system_needs_is_named(home, monkeypatch):
    monkeypatch.setitem(sys.modules, "s3fs", None)
    with pytest.raises(MissingExtraError, match="s3fs"):
        fetch(remote("s3://bucket/x"), limits=QUICK)
