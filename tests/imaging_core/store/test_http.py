"""Reading over HTTP from a real server on the loopback interface."""

import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from imaging_core.decode.case import CaseError, Limits
from imaging_core.decode.registry import decode_sample
from imaging_core.errors import DataError, DeniedError, LostError, MissingError, TemporaryError, TooLargeError
from imaging_core.store import Location, open_source, retry

BODY = bytes(range(256)) * 40


class Server(ThreadingHTTPServer):
    """Answers each path with a scripted list of answers, the last one for ever."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers = {}
        self.requests = []
        self.host = f"127.0.0.1:{self.server_port}"

    def handle_error(self, *_):
        """A client that has read enough closes the line."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.server.requests.append((self.command, self.path))
        answers = self.server.answers[self.path]
        status, headers, body = answers.pop(0) if len(answers) > 1 else answers[0]
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(body))} | headers).items():
            if value is not None:
                self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)
        if "Content-Length" in headers:
            self.close_connection = True

    do_HEAD = do_GET  # noqa: N815

    def log_message(self, *arguments):
        pass


@pytest.fixture
def server(monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with Server() as running:
        threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True).start()
        yield running
        running.shutdown()


@pytest.fixture
def impatient(monkeypatch):
    """Gives up at once: a server is lost for good sooner than in two minutes."""
    monkeypatch.setattr(retry, "GIVE_UP_SECONDS", 0)
    monkeypatch.setattr(retry, "_given_up", Counter())


def source(server, path="/scans/a%20b%23.jpg"):
    return open_source(Location.parse(f"http://{server.host}{path}"))


def answer(server, *answers, path="/scans/a%20b%23.jpg"):
    server.answers[path] = list(answers)


def test_the_bytes_arrive_in_every_form(server):
    answer(server, (200, {}, BODY))
    assert source(server).size() == len(BODY)
    assert source(server).bytes() == BODY
    with source(server).open() as file:
        file.seek(1000)
        assert file.read(5) == BODY[1000:1005]
    with source(server).path() as path:
        assert path.suffix == ".jpg"
        assert path.read_bytes() == BODY
    assert not path.exists()


def test_a_query_reaches_the_server_and_no_message(server):
    answer(server, (404, {}, b""), path="/scan.jpg?signature=s%2Fecret")
    with pytest.raises(MissingError) as error:
        source(server, "/scan.jpg?signature=s%2Fecret").bytes()
    assert server.requests == [("GET", "/scan.jpg?signature=s%2Fecret")]
    assert "ecret" not in str(error.value)


@pytest.mark.parametrize(
    ("status", "error"),
    [(404, MissingError), (410, MissingError), (403, DeniedError), (401, DeniedError), (400, DataError)],
)
def test_what_no_retry_mends_is_asked_once(server, status, error):
    answer(server, (status, {}, b"no"))
    with pytest.raises(error):
        source(server).bytes()
    assert len(server.requests) == 1


def test_a_server_that_recovers_is_asked_again(server):
    answer(server, (503, {}, b""), (500, {}, b""), (200, {}, BODY))
    assert source(server).bytes() == BODY


def test_a_server_that_does_not_recover_is_temporary(server, impatient):
    answer(server, (503, {}, b""))
    with pytest.raises(TemporaryError, match="503"):
        source(server).bytes()


def test_a_body_that_breaks_off_is_read_again_from_its_start(server):
    answer(server, (200, {"Content-Length": str(len(BODY) + 1)}, BODY), (200, {}, BODY))
    assert source(server).bytes() == BODY


def test_what_does_not_come_although_others_do_is_temporary_and_when_nothing_comes_the_server_is_lost(
    server, impatient
):
    answer(server, (503, {}, b""), path="/broken")
    answer(server, (200, {}, BODY), path="/sound")
    for _ in range(retry.LOST_AFTER):
        with pytest.raises(TemporaryError) as given_up:
            source(server, "/broken").bytes()
        assert not isinstance(given_up.value, LostError)
        assert source(server, "/sound").bytes() == BODY
    for _ in range(retry.LOST_AFTER - 1):
        with pytest.raises(TemporaryError):
            source(server, "/broken").bytes()
    with pytest.raises(LostError):
        source(server, "/broken").bytes()


def test_a_body_that_always_breaks_off_is_never_taken_for_whole(server, impatient):
    answer(server, (200, {"Content-Length": str(len(BODY) + 1)}, BODY))
    with pytest.raises(TemporaryError):
        source(server).bytes()


def test_a_port_where_nobody_listens_is_temporary(server, impatient):
    server.server_close()
    with pytest.raises(TemporaryError):
        source(server).bytes()


@pytest.mark.parametrize("stated", [True, False])
def test_more_bytes_than_allowed_are_not_read(server, stated):
    answer(server, (200, {} if stated else {"Content-Length": None, "Connection": "close"}, BODY))
    with pytest.raises(TooLargeError):
        source(server).bytes(len(BODY) - 1)
    with pytest.raises(CaseError) as failure:
        decode_sample([source(server)], 3, Limits(encoded_bytes=10))
    assert failure.value.kind in ("too_large", "unreadable")


def test_a_redirect_within_the_host_is_followed(server):
    answer(server, (302, {"Location": "/other"}, b""))
    answer(server, (200, {}, BODY), path="/other")
    assert source(server).bytes() == BODY


def test_a_redirect_to_another_host_is_refused(server):
    with Server() as other:
        answer(other, (200, {}, BODY), path="/x")
        answer(server, (302, {"Location": f"http://{other.host}/x"}, b""))
        with pytest.raises(DataError, match="another host"):
            source(server).bytes()
        assert other.requests == []


def test_redirects_without_end_are_refused(server):
    answer(server, (302, {"Location": "/scans/a%20b%23.jpg"}, b""))
    with pytest.raises(DataError, match="redirects"):
        source(server).bytes()
