"""A browser has no header with a token: this adds it, and keeps what the Argo Server answered."""

import http.server
import ssl
import threading
import urllib.error
import urllib.request
from typing import Any


class Proxy:
    """Serves the Argo Server's pages on loopback, byte for byte and header for header."""

    def __init__(self, server: str, token: str) -> None:
        self.answers: dict[str, int] = {}
        self.bodies: dict[str, bytes] = {}
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        proxy = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                request = urllib.request.Request(f"https://{server}{self.path}", headers={"Authorization": token})
                try:
                    with urllib.request.urlopen(request, context=context) as response:
                        status, headers, body = response.status, response.headers, response.read()
                except urllib.error.HTTPError as error:
                    status, headers, body = error.code, error.headers, error.read()
                proxy.answers[self.path] = status
                proxy.bodies[self.path] = body
                self.send_response(status)
                for name in ("Content-Type", "Content-Security-Policy", "X-Frame-Options"):
                    if value := headers.get(name):
                        self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_arguments: Any) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_address[1]

    def __enter__(self) -> "Proxy":
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._server.shutdown()
        self._server.server_close()
