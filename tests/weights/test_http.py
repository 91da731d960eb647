"""Downloads from a server that misbehaves: each ends in the right file or a clear error, and leaves nothing behind."""

from __future__ import annotations

import gzip
import os
import shutil
import subprocess
import threading
import time

import pytest
from downloads import BODY, OTHER, QUICK, quick, remote
from hostile_server import cut, drip, drip_head, good, plain, redirect, reset, serving, status

from zoo.errors import DownloadError, IntegrityError
from zoo.weights.download import fetch
from zoo.weights.hooks import add_hook

HALF = len(BODY) // 2
SIZE = len(BODY)


def whole(**headers):
    return plain(BODY, content_length=SIZE, **headers)


@pytest.fixture
def events():
    found = []
    remove = add_hook(after=found.append)
    yield found
    remove()


def fetched(server, *acts, limits=QUICK, **options):
    """What `fetch` returns as bytes when the server acts so."""
    return fetch(remote(server.on(*acts)), limits=limits, **options).read_bytes()


def refused(server, *acts, error=DownloadError, limits=QUICK, sources=1):
    """The message of the error when the server acts so."""
    server.on(*acts)
    with pytest.raises(error) as caught:
        fetch(remote(*[server.url("/file" + "?" * place) for place in range(sources)]), limits=limits)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None, "a chained error may show what was redacted"
    return str(caught.value)


def test_a_right_file_comes_in_one_request(home, server):
    told = []
    assert fetched(server, good(BODY), progress=lambda done, total: told.append((done, total))) == BODY
    (seen,) = server.seen
    assert seen.headers["accept-encoding"] == "identity"
    assert seen.range is None
    assert told[0] == (0, SIZE)
    assert told[-1] == (SIZE, SIZE)
    assert told == sorted(told)


def test_without_a_length_the_body_is_counted(home, server):
    assert fetched(server, plain(BODY)) == BODY


def test_a_wrong_hash_is_refused_at_once(home, server, events):
    message = refused(server, plain(OTHER), error=IntegrityError)
    assert "its SHA-256 is " in message
    assert remote("x:y").sha256 in message
    assert len(server.seen) == 1
    assert [event.ok for event in events] == [False]


def test_a_wrong_hash_leads_to_the_next_mirror(home, server, events):
    bad, right = server.on(whole(), path="/right"), server.on(plain(OTHER), path="/bad")
    assert fetch(remote(right, bad), limits=QUICK).read_bytes() == BODY
    assert [(event.ok, event.bytes) for event in events] == [(False, SIZE), (True, SIZE)]


def test_a_short_body_is_asked_for_again(home, server):
    assert fetched(server, plain(BODY[:HALF]), good(BODY)) == BODY
    assert server.seen[1].range == f"bytes={HALF}-"


def test_a_body_that_stays_short_is_an_error(home, server):
    message = refused(server, plain(BODY[:100]))
    assert f"it ended after 100 of {SIZE:,} bytes" in message
    assert len(server.seen) == QUICK.attempts


def test_a_server_that_repeats_the_beginning_is_given_up(home, server):
    refused(server, plain(BODY[:HALF]))
    assert len(server.seen) == QUICK.attempts + 1  # the first attempt led somewhere


def test_a_long_body_is_cut_off(home, server, events):
    message = refused(server, plain(BODY + OTHER), error=IntegrityError)
    assert f"more than {SIZE:,} bytes came" in message
    assert events[0].bytes <= SIZE


@pytest.mark.parametrize("length", [SIZE - 1, SIZE + 1, 0, "9" * 5000, "12x", "-1"])
def test_a_wrong_length_is_noticed_before_the_body(home, server, events, length):
    message = refused(server, plain(BODY, content_length=length), error=IntegrityError)
    assert f"bytes where {SIZE} belong" in message
    assert events[0].bytes == 0


@pytest.mark.parametrize(
    ("code", "name"), [(404, "404 Not Found"), (403, "403 Forbidden"), (418, "418"), (599, "599"), (204, "204")]
)
def test_other_statuses_lead_to_the_next_mirror_at_once(home, server, code, name):
    assert f"the server answers {name}" in refused(server, status(code))
    assert len(server.seen) == 1


@pytest.mark.parametrize("code", [408, 425, 429, 500, 502, 503, 504])
def test_a_busy_server_is_asked_again(home, server, code):
    assert fetched(server, status(code), good(BODY)) == BODY
    assert len(server.seen) == 2


def test_retry_after_is_kept_to_its_limit(home, server):
    began = time.monotonic()
    assert fetched(server, status(429, retry_after=1), good(BODY), limits=quick(retry_after_max=0.3)) == BODY
    assert 0.3 <= time.monotonic() - began < 1


def test_a_server_that_stays_busy_is_given_up(home, server):
    message = refused(server, status(503, retry_after="Fri, 31 Dec 2100 23:59:59 GMT"))
    assert "503 Service Unavailable" in message
    assert len(server.seen) == QUICK.attempts


def test_a_reset_is_not_the_end(home, server):
    assert fetched(server, reset(BODY, HALF), reset(BODY, 0), good(BODY)) == BODY
    assert len(server.seen) == 3


def test_after_a_break_it_goes_on_where_it_broke(home, server):
    assert fetched(server, cut(BODY, HALF, etag='"1"'), good(BODY, etag='"1"')) == BODY
    assert server.seen[1].range == f"bytes={HALF}-"
    assert server.seen[1].headers["if-range"] == '"1"'


def test_a_date_serves_where_there_is_no_etag(home, server):
    date = "Mon, 02 Nov 2026 10:00:00 GMT"
    assert fetched(server, cut(BODY, HALF, last_modified=date), plain(BODY)) == BODY
    assert server.seen[1].headers["if-range"] == date


def test_a_server_that_breaks_off_often_is_asked_as_long_as_it_helps(home, server):
    body = BODY * 8
    url = server.on(cut(body, len(body) // 8))
    assert fetch(remote(url, body=body), limits=quick(attempts=2)).read_bytes() == body
    assert len(server.seen) >= 8


def test_a_server_that_ignores_ranges_is_heard_from_the_start(home, server):
    assert fetched(server, cut(BODY, HALF), plain(BODY)) == BODY
    assert server.seen[1].range is not None


def test_a_changed_etag_begins_anew(home, server):
    assert fetched(server, cut(OTHER, HALF, etag='"old"'), good(BODY, etag='"new"')) == BODY


def test_a_changed_etag_on_a_part_begins_anew(home, server, events):
    def changed(handler):
        start, rest = handler.rest(BODY)
        part = f"bytes {start}-{SIZE - 1}/{SIZE}"
        handler.head(206, content_length=len(rest), content_range=part, etag='"new"')
        handler.wfile.write(rest)

    assert fetched(server, cut(OTHER, HALF, etag='"old"'), changed, good(BODY, etag='"new"')) == BODY
    assert server.seen[2].range is None
    assert events[0].bytes < 2 * SIZE, "the rest of another version is not worth reading"


@pytest.mark.parametrize("part", ["bytes 0-9/10", f"bytes 0-{SIZE - 1}/{SIZE}", "bytes */5", "", "nonsense", "bytes 9-1/1"])
def test_a_wrong_content_range_begins_anew(home, server, part):
    assert fetched(server, cut(BODY, HALF), plain(BODY[HALF:], 206, content_range=part), good(BODY)) == BODY
    assert server.seen[1].range is not None
    assert server.seen[2].range is None


def test_a_part_that_nobody_asked_for_is_refused(home, server):
    message = refused(server, plain(BODY, 206, content_range=f"bytes 0-{SIZE - 1}/{SIZE}"))
    assert "the server sends a part of the file, though the whole was asked for" in message


def test_a_range_that_cannot_be_given_begins_anew(home, server):
    assert fetched(server, cut(BODY, HALF), status(416), good(BODY)) == BODY
    assert server.seen[2].range is None


def test_parts_that_do_not_fit_are_fetched_once_more_from_zero(home, server):
    assert fetched(server, cut(OTHER, HALF), good(BODY), good(BODY)) == BODY
    assert [seen.range is None for seen in server.seen] == [True, False, True]


def test_parts_that_never_fit_are_given_up(home, server):
    message = refused(server, cut(OTHER, HALF), good(BODY), cut(OTHER, HALF), good(BODY), error=IntegrityError)
    assert "its SHA-256 is " in message
    assert len(server.seen) == 4


def test_the_next_mirror_goes_on_with_what_the_first_one_gave(home, server):
    first = server.on(cut(BODY, HALF), status(404), path="/first")
    second = server.on(good(BODY), path="/second")
    assert fetch(remote(first, second), limits=QUICK).read_bytes() == BODY
    assert server.seen[-1].range is not None
    assert "if-range" not in server.seen[-1].headers


def test_a_compressed_answer_is_refused(home, server, events):
    bomb = gzip.compress(bytes(5_000_000))
    message = refused(server, plain(bomb, content_encoding="gzip", content_length=len(bomb)))
    assert "compressed (gzip), though it was asked not to" in message
    assert events[0].bytes == 0


@pytest.mark.parametrize("length", [{}, {"content_length": 20}])
def test_a_page_instead_of_the_file_is_named(home, server, length):
    page = plain(b"<html>log in</html>\n", content_type="text/html; charset=utf-8", **length)
    assert "an HTML page was sent instead of the file" in refused(server, page, error=IntegrityError)
    assert len(server.seen) == 1


def test_the_file_itself_may_be_called_a_page(home, server):
    assert fetched(server, plain(BODY, content_type="text/html")) == BODY


def test_a_slow_drip_is_cut(home, server):
    began = time.monotonic()
    message = refused(server, drip(BODY, 0.01), limits=quick(slowest=10_000, window=0.2, attempts=1))
    assert "the server sends less than 10,000 bytes a second over 0.2 s" in message
    assert time.monotonic() - began < 3


def test_a_slow_head_is_cut(home, server):
    message = refused(server, drip_head(0.01), limits=quick(slowest=1000, window=0.2, attempts=1))
    assert "less than 1,000 bytes a second" in message


def test_a_silent_server_is_left(home, server):
    message = refused(server, lambda handler: handler.hostile.stopping.wait(3), limits=quick(read=0.1, attempts=2))
    assert "nothing came for 0.1 s" in message
    assert len(server.seen) == 2


def test_no_thread_or_connection_outlives_a_call(home, server):
    fetched(server, cut(BODY, HALF), good(BODY))
    refused_file = remote(server.on(status(404)), body=OTHER)
    with pytest.raises(DownloadError):
        fetch(refused_file, limits=QUICK)
    assert not [thread for thread in threading.enumerate() if thread.name == "zoo-download-watch"]


def test_nobody_listens(home, server):
    with serving() as closed:
        url = closed.url()
    with pytest.raises(DownloadError, match="the connection failed: Connection refused"):
        fetch(remote(url), limits=QUICK)


def test_an_ill_formed_answer_is_an_error(home, server):
    message = refused(server, lambda handler: handler.wfile.write(b"\x00\x1b[31m what is this\r\n\r\n"))
    assert "the connection failed" in message
    assert message.isascii()


def test_redirects_are_followed(home, server):
    server.on(redirect("/b"), path="/a")
    server.on(redirect(server.url("/c"), 308), path="/b")
    server.on(good(BODY), path="/c")
    assert fetch(remote(server.url("/a")), limits=QUICK).read_bytes() == BODY
    assert [seen.path for seen in server.seen] == ["/a", "/b", "/c"]


def test_a_circle_of_redirects_is_named(home, server):
    server.on(redirect("/b?secret=1234"), path="/file")
    server.on(redirect("/file"), path="/b")
    message = refused(server, redirect("/b?secret=1234"))
    assert f"it redirects in a circle: {server.url()} -> {server.url('/b')} -> {server.url()}" in message
    assert "1234" not in message


def test_too_many_redirects_are_given_up(home, server):
    for place in range(9):
        server.on(redirect(f"/{place + 1}"), path=f"/{place}")
    with pytest.raises(DownloadError, match="it redirects more than 5 times"):
        fetch(remote(server.url("/0")), limits=QUICK)
    assert len(server.seen) == 6


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://host/file", "http://[", "javascript:1", "http://h:99999/"])
def test_a_redirect_to_something_else_is_refused(home, server, target):
    message = refused(server, redirect(target))
    assert "is not a URL of http: or https:" in message or "something that is not a URL" in message


def test_a_redirect_to_nowhere_is_refused(home, server):
    assert "redirects without saying where to" in refused(server, status(302))


def test_http_needs_permission(home, server, monkeypatch):
    monkeypatch.delenv("ZOO_ALLOW_HTTP")
    message = refused(server, good(BODY))
    assert "is not https:; set ZOO_ALLOW_HTTP=1 to take it" in message
    assert server.seen == []


def test_credentials_stay_with_their_origin(home, server):
    asked = []

    def before(request):
        asked.append(request)
        return {"X-Token": "for-127"} if request.origin[1] == "127.0.0.1" else None

    server.on(redirect("/again?k=v"), path="/file")
    server.on(redirect(server.url("/there", host="localhost")), path="/again")
    server.on(good(BODY), path="/there")
    url = server.url().replace("://", "://me:p%40ss@")
    remove = add_hook(before=before)
    try:
        assert fetch(remote(url), limits=QUICK).read_bytes() == BODY
    finally:
        remove()
    first, again, there = server.seen
    assert first.headers["authorization"] == again.headers["authorization"] == "Basic bWU6cEBzcw=="
    assert first.headers["x-token"] == again.headers["x-token"] == "for-127"
    assert "authorization" not in there.headers
    assert "x-token" not in there.headers
    assert [request.origin for request in asked] == [("http", "127.0.0.1", server.port), ("http", "localhost", server.port)]
    assert all("p%40ss" not in request.url for request in asked)


def test_a_server_cannot_choose_credentials(home, server):
    server.on(redirect(server.url("/there").replace("://", "://user:word@")), path="/file")
    server.on(good(BODY), path="/there")
    assert fetch(remote(server.url()), limits=QUICK).read_bytes() == BODY
    assert "authorization" not in server.seen[1].headers


def test_secrets_are_in_no_message_and_no_log(home, server, caplog):
    caplog.set_level("DEBUG", logger="zoo.weights")
    url = server.on(status(503)).replace("://", "://me:hunter22@") + "?token=abcd1234"
    with pytest.raises(DownloadError) as caught:
        fetch(remote(url), limits=QUICK)
    told = str(caught.value) + caplog.text
    assert server.url() in told
    assert "503" in caplog.text
    assert "hunter22" not in told
    assert "abcd1234" not in told


def test_a_proxy_of_the_environment_is_used_and_no_proxy_respected(home, server, monkeypatch):
    proxied = []

    def through(handler):
        proxied.append((handler.path, handler.headers.get("Proxy-Authorization")))
        good(BODY)(handler)

    target = "http://weights.invalid/file"
    server.on(through, path=target)
    monkeypatch.setenv("http_proxy", server.url("").replace("://", "://who:word@"))
    assert fetch(remote(target), limits=QUICK).read_bytes() == BODY
    assert proxied == [(target, "Basic d2hvOndvcmQ=")]
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    server.on(good(OTHER))
    assert fetch(remote(server.url(), body=OTHER), limits=QUICK).read_bytes() == OTHER
    assert server.seen[-1].path == "/file"


def test_a_proxy_that_cannot_be_used_is_named(home, server, monkeypatch):
    monkeypatch.setenv("http_proxy", "socks5://me:secret12@127.0.0.1:1")
    message = refused(server, good(BODY))
    assert "the proxy socks5://127.0.0.1:1, and only those of http: and https:" in message
    assert "secret12" not in message


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A throw-away key and certificate for 127.0.0.1 in one file."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl, which makes the certificate, is not installed")
    folder = tmp_path_factory.mktemp("tls")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", folder / "key", "-out", folder / "crt"],
        check=True, capture_output=True,
    )  # fmt: skip
    both = folder / "both"
    both.write_bytes((folder / "key").read_bytes() + (folder / "crt").read_bytes())
    return both


@pytest.fixture
def secure(certificate, home, monkeypatch):
    """A server that speaks TLS, trusted through the variable that OpenSSL has for it."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate.with_name("crt")))
    with serving(certificate) as hostile:
        yield hostile


def test_https_works_and_needs_no_permission(secure, monkeypatch):
    monkeypatch.delenv("ZOO_ALLOW_HTTP")
    assert fetched(secure, cut(BODY, HALF), good(BODY)) == BODY


def test_https_never_leads_to_http(secure, server):
    server.on(good(BODY))
    message = refused(secure, redirect(server.url()))
    assert "it redirects from https: to" in message
    assert server.seen == []


def test_a_certificate_that_nobody_trusts_is_refused_at_once(secure, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", os.devnull)
    message = refused(secure, good(BODY))
    assert "its certificate is not trusted: self-signed certificate" in message
    assert secure.seen == []


def test_a_slow_drip_is_cut_under_tls_too(secure):
    message = refused(secure, drip(BODY, 0.01), limits=quick(slowest=10_000, window=0.3, attempts=1))
    assert "less than 10,000 bytes a second" in message
