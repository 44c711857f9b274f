"""A server that speaks as a Gradio app does, and makes the mistakes that real ones cannot be brought to make.

It has one function, /ask: a text and a hidden state in, a number with a default, and a text out. What it does with a request, a test
says by `standin.on[METHOD, PATH]`: a function that gets the handler. Everything that was asked is in `standin.asked`.
"""

import http.server
import json
import ssl
import threading
import time

EVENT = "e" * 32
CUT = object()          # in a list of messages: the connection breaks here
DONE = {"msg": "process_completed", "event_id": EVENT, "success": True, "output": {"data": ["answer", None]}}
CLOSE = {"msg": "close_stream", "event_id": None}


def config(**changes):
    component = lambda id, type, **props: {"id": id, "type": type, "props": {"name": type, **props}, "skip_api": type == "state"}
    dependency = {"id": 7, "api_name": "ask", "inputs": [1, 2, 3], "outputs": [4, 2], "queue": True, "backend_fn": True,
                  "types": {"generator": False, "cancel": False}, "api_visibility": "public"}
    dependency.update(changes.pop("dependency", {}))
    first = changes.pop("first", component(1, "textbox", label="Text"))
    return {
        "version": "6.25.0", "api_prefix": "/gradio_api", "app_id": 12345678901234567890, "protocol": "sse_v3", "enable_queue": True,
        "root": "http://nowhere.invalid/wrong", "max_file_size": None, "components": [
            first, component(2, "state"), component(3, "number", label="Number", value=5), component(4, "textbox", label="Answer"),
        ], "dependencies": [dependency], **changes,
    }


INFO = {"named_endpoints": {"/ask": {"parameters": [
    {"label": "Text", "parameter_name": "text", "parameter_has_default": False, "type": {"type": "string"}, "component": "Textbox"},
    {"label": "Number", "parameter_name": "number", "parameter_has_default": True, "parameter_default": 5, "type": {}, "component": "Number"},
], "returns": [{"label": "Answer", "type": {"type": "string"}, "component": "Textbox"}]}}, "unnamed_endpoints": {}}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def handle_any(self):
        self.body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        path = self.path.partition("?")[0]
        self.server.asked.append((self.command, self.path, dict(self.headers), self.body))
        try:
            self.server.on.get((self.command, path), lambda handler: handler.json({"detail": "Not Found"}, 404))(self)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    do_GET = do_POST = handle_any

    def reply(self, data, status=200, type="text/plain", **headers):
        self.send_response(status)
        for name, value in {"Content-Type": type, "Content-Length": str(len(data)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(data)

    def json(self, value, status=200, **headers):
        self.reply(json.dumps(value).encode(), status, "application/json", **headers)

    def stream(self, messages, piece=None):
        """Messages, seconds to wait, or bytes as they are; in pieces of so many bytes; until CUT, or an end as it should be."""
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream; charset=utf-8")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for message in messages:
            if message is CUT:
                self.close_connection = True
                return
            if isinstance(message, (int, float)):
                time.sleep(message)
                continue
            data = message if isinstance(message, bytes) else b"data: " + json.dumps(message).encode() + b"\n\n"
            for at in range(0, len(data), piece or len(data)):
                self.chunk(data[at:at + (piece or len(data))])
        self.chunk(b"")

    def chunk(self, data):
        self.wfile.write(b"%x\r\n" % len(data) + data + b"\r\n")
        self.wfile.flush()

    def log_message(self, *_):
        pass


class Standin(http.server.ThreadingHTTPServer):
    """Behaves well until it is told otherwise: the answer to /ask is "answer"."""
    daemon_threads = True
    handler = Handler

    def __init__(self, tls=None, **changes):
        super().__init__(("127.0.0.1", 0), self.handler)
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.server_address[1]}"
        if tls:       # a PEM file with certificate and key
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            context.load_cert_chain(tls)
            self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)
        self.asked = []
        self.config = config(**changes)
        prefix = self.config.get("api_prefix", "")
        self.on = {
            ("GET", "/config"): lambda handler: handler.json(self.config),
            ("GET", f"{prefix}/info"): lambda handler: handler.json(INFO),
            ("GET", f"{prefix}/app_id"): lambda handler: handler.json({"app_id": self.config["app_id"]}),
            ("GET", f"{prefix}/queue/status"): lambda handler: handler.json({"msg": "estimation", "rank": None, "queue_size": 0}),
            ("POST", f"{prefix}/queue/join"): lambda handler: handler.json({"event_id": EVENT}),
            ("POST", f"{prefix}/cancel"): lambda handler: handler.json({"success": True}),
        }
        self.prefix = prefix
        self.tell([DONE, CLOSE])
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def tell(self, messages, **options):
        self.on["GET", f"{self.prefix}/queue/data"] = lambda handler: handler.stream(messages, **options)

    def count(self, method, path):
        return sum(1 for entry in self.asked if entry[0] == method and entry[1].partition("?")[0] == self.prefix + path)

    def bodies(self, path):
        return [json.loads(body) for method, asked, _, body in self.asked if method == "POST" and asked == self.prefix + path]

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()
