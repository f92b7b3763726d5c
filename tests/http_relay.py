"""A small real HTTP server that relays requests to another: as a proxy, or as a server that is busy for a while."""

import http.client
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

SLOW_DOWN = (
    b"<?xml version='1.0'?><Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"
)


class Relay(ThreadingHTTPServer):
    """Relays to ``upstream`` ("host:port"), after answering the first ``busy`` requests with 503 SlowDown."""

    daemon_threads = True

    def __init__(self, upstream: str, busy: int = 0) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.upstream = upstream
        self.busy = busy
        self.relayed = 0
        self.lock = threading.Lock()

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, *_: object) -> None:
        """A client that went away is no news."""

    def is_busy(self) -> bool:
        with self.lock:
            if self.busy > 0:
                self.busy -= 1
                return True
            self.relayed += 1
            return False


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Relay

    def relay(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.server.is_busy():
            self.send_response(503)
            self.send_header("Content-Type", "application/xml")
            self.send_header("Content-Length", str(len(SLOW_DOWN)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(SLOW_DOWN)
            return
        url = urlsplit(self.path)  # a proxy is asked for whole URLs
        connection = http.client.HTTPConnection(self.server.upstream, timeout=30)
        connection.putrequest(
            self.command, url._replace(scheme="", netloc="").geturl(), skip_host=True, skip_accept_encoding=True
        )
        for name, value in self.headers.items():
            connection.putheader(name, value)
        connection.endheaders(body)
        answer = connection.getresponse()
        data = answer.read()
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("transfer-encoding", "connection", "server", "date", "content-length"):
                self.send_header(name, value)
        self.send_header(
            "Content-Length", str(len(data)) if self.command != "HEAD" else answer.getheader("Content-Length", "0")
        )
        self.end_headers()
        self.wfile.write(data)
        connection.close()

    do_GET = do_PUT = do_HEAD = do_POST = do_DELETE = relay  # noqa: N815

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def running_relay(upstream: str, busy: int = 0) -> Iterator[Relay]:
    relay = Relay(upstream, busy)
    threading.Thread(target=relay.serve_forever, daemon=True).start()
    try:
        yield relay
    finally:
        relay.shutdown()
        relay.server_close()
