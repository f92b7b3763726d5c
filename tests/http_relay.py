"""A small real HTTP server that relays requests to another: as a proxy, or as a server and a line that have faults."""

import base64
import http.client
import select
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

ERROR = "<?xml version='1.0'?><Error><Code>{}</Code><Message>none of your business</Message></Error>"


@dataclass
class Fault:
    """What becomes of one request, the next whose method is this and whose path holds ``path``.

    Attributes:
        answer: status and S3 code that are answered, without asking the server.
        headers: of that answer.
        body: of that answer, instead of S3's XML.
        lose: whether the server is asked, and its answer lost: the connection closes.
        cut: after how many bytes of the body the connection closes.
        flip: the position in the body of a bit that arrives changed.
        then: called after the request.
    """

    method: str
    path: str = ""
    answer: tuple[int, str] | None = None
    headers: dict[str, str] = field(default_factory=dict)
    body: str | None = None
    lose: bool = False
    cut: int | None = None
    flip: int | None = None
    then: Callable[[], None] = lambda: None


class Relay(ThreadingHTTPServer):
    """Relays to ``upstream`` ("host:port").

    Attributes:
        faults: each happens once; a client that is second to ask meets one that stands there twice.
        requests: method and path of those that came.
        agents: what their senders call themselves.
        login: ``user:password`` that it asks of those who use it as a proxy.
        most_at_once: of the requests that were under way together.
    """

    daemon_threads = True

    def __init__(self, upstream: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.upstream = upstream
        self.faults: list[Fault] = []
        self.requests: list[tuple[str, str]] = []
        self.agents: list[str] = []
        self.login: str | None = None
        self.most_at_once = self._under_way = 0
        self.lock = threading.Lock()

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def busy(self, times: int) -> None:
        """Answer the next requests with 503 SlowDown, whatever they are."""
        self.faults += [Fault("", answer=(503, "SlowDown")) for _ in range(times)]

    def handle_error(self, *_: object) -> None:
        """A client that went away is no news."""

    @contextmanager
    def counted(self) -> Iterator[None]:
        """A request is under way meanwhile: until the server has answered, before its client can send another."""
        with self.lock:
            self._under_way += 1
            self.most_at_once = max(self.most_at_once, self._under_way)
        try:
            yield
        finally:
            with self.lock:
                self._under_way -= 1

    def take_fault(self, method: str, path: str) -> Fault | None:
        with self.lock:
            self.requests.append((method, path))
            found = next((each for each in self.faults if method.startswith(each.method) and each.path in path), None)
            if found is not None:
                self.faults.remove(found)
            return found


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Relay

    def relay(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        fault = self.server.take_fault(self.command, self.path)
        self.server.agents.append(self.headers.get("User-Agent", ""))
        if not self._is_known():
            return
        if fault is not None and fault.answer is not None:
            self._refuse(fault)
        else:
            self._pass_on(body, fault or Fault(self.command))
        if fault is not None:
            fault.then()

    def do_CONNECT(self) -> None:
        self.server.take_fault(self.command, self.path)
        if not self._is_known():
            return
        host, _, port = self.path.rpartition(":")
        with socket.create_connection((host, int(port)), timeout=30) as upstream:
            self.send_response(200)
            self.end_headers()
            ends = {self.connection: upstream, upstream: self.connection}
            while all(data := [(end, end.recv(65536)) for end in select.select(list(ends), [], [], 30)[0]]):
                if any(not part for _, part in data):
                    break
                for end, part in data:
                    ends[end].sendall(part)
        self.close_connection = True

    def _is_known(self) -> bool:
        login = self.server.login
        wanted = None if login is None else "Basic " + base64.b64encode(login.encode()).decode()
        if wanted is None or self.headers.get("Proxy-Authorization") == wanted:
            return True
        self.send_response(407)
        self.send_header("Proxy-Authenticate", "Basic")
        self.send_header("Content-Length", "0")
        self.end_headers()
        return False

    def _refuse(self, fault: Fault) -> None:
        assert fault.answer is not None
        status, code = fault.answer
        data = (ERROR.format(code) if fault.body is None else fault.body).encode("latin-1")
        self.send_response(status)
        for name, value in {"Content-Type": "application/xml", **fault.headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def _pass_on(self, body: bytes, fault: Fault) -> None:
        with self.server.counted():
            answer, data = self._ask(body)
        self._answer(answer, data, fault)

    def _ask(self, body: bytes) -> tuple[http.client.HTTPResponse, bytes]:
        url = urlsplit(self.path)  # a proxy is asked for whole URLs
        connection = http.client.HTTPConnection(self.server.upstream, timeout=30)
        connection.putrequest(
            self.command, url._replace(scheme="", netloc="").geturl(), skip_host=True, skip_accept_encoding=True
        )
        for name, value in self.headers.items():
            connection.putheader(name, value)
        with suppress(BrokenPipeError, ConnectionResetError):  # the server may refuse before it has read all
            connection.endheaders(body)
        answer = connection.getresponse()
        data = answer.read()
        connection.close()
        return answer, data

    def _answer(self, answer: http.client.HTTPResponse, data: bytes, fault: Fault) -> None:
        if fault.lose:
            self.close_connection = True
            return
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("transfer-encoding", "connection", "server", "date", "content-length"):
                self.send_header(name, value)
        length = str(len(data)) if self.command != "HEAD" else answer.getheader("Content-Length", "0")
        self.send_header("Content-Length", length)
        self.end_headers()
        if fault.flip is not None:
            data = data[: fault.flip] + bytes([data[fault.flip] ^ 1]) + data[fault.flip + 1 :]
        if fault.cut is not None:
            data = data[: fault.cut]
            self.close_connection = True
        self.wfile.write(data)

    do_GET = do_PUT = do_HEAD = do_POST = do_DELETE = relay  # noqa: N815

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def running_relay(upstream: str) -> Iterator[Relay]:
    relay = Relay(upstream)
    threading.Thread(target=relay.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield relay
    finally:
        relay.shutdown()
        relay.server_close()
