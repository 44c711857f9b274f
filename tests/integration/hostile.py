"""Servers that mean no good: whatever is asked of them, they answer it in one of the ways of EVILS. Two kinds are spoken, as far as
a job needs it: ComfyUI here, Gradio by gradio_standin.py. What is not made evil by `standin.on` is answered as it should be.
"""

import base64
import gzip
import hashlib
import json
import struct
import threading

from comfyui_nodes import png
from gradio_standin import Handler, Standin

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
TEN_GIB = 10 << 30
OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


def raw(*pieces):
    """An answer that is these bytes, and then the end of the connection."""
    def answer(handler):
        handler.close_connection = True
        for piece in pieces:
            handler.wfile.write(piece)
        handler.wfile.flush()
    return answer


def body(data, status=200, type="application/json", **headers):
    return lambda handler: handler.reply(data, status, type, **headers)


def endless(head, piece):
    def answer(handler):
        handler.close_connection = True
        handler.wfile.write(head)
        for _ in range((1 << 30) // len(piece)):      # until the other side has had enough
            handler.wfile.write(piece)
    return answer


# Ways to answer a request, and the codes of the errors that may come of it; None: any that says what it was.
EVILS = {
    "no HTTP": (raw(b"\x00\xff\x13garbage\r\n\r\n"), None),
    "nothing at all": (raw(), None),
    "half a head": (raw(b"HTTP/1.1 200 OK\r\nContent-Ty"), None),
    "less than announced": (raw(OK + b"Content-Length: %d\r\n\r\n{}" % TEN_GIB), None),
    "a length that is none": (raw(OK + b"Content-Length: -5\r\n\r\n{}"), None),
    "a length of thirty digits": (raw(OK + b"Content-Length: %s\r\n\r\n{}" % (b"9" * 30)), None),
    "two lengths": (raw(OK + b"Content-Length: 2\r\nContent-Length: 200\r\n\r\n{}"), None),
    "a broken chunk": (raw(OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n"), None),
    "chunks without end": (endless(OK + b"Transfer-Encoding: chunked\r\n\r\n", b"10000\r\n" + b"x" * 0x10000 + b"\r\n"), None),
    "a head without end": (endless(b"HTTP/1.1 200 OK\r\n", b"X-More: " + b"x" * 60000 + b"\r\n"), None),
    "compressed": (body(gzip.compress(b"{}"), Content_Encoding="gzip"), None),
    "moved": (body(b"", 302, Location="http://127.0.0.1:1/elsewhere"), {"backend_moved"}),
    "a page to log in": (body(b"<html><form>Password</form></html>", type="text/html"), None),
    "who are you": (body(b"", 401), {"backend_credentials"}),
    "go away": (body(b"<html>403</html>", 403, "text/html"), {"backend_credentials"}),
    "too often": (body(b"{}", 429, Retry_After="1"), {"backend_busy"}),
    "too often, for ever": (body(b"{}", 429, Retry_After="9" * 30), {"backend_busy"}),
    "bad gateway": (body(b"<html>502</html>", 502, "text/html"), {"backend_unavailable"}),
    "unavailable": (body(b"", 503, Retry_After="-1"), {"backend_unavailable"}),
    "null": (body(b"null"), None), "a list": (body(b"[[[]], {}, 5]"), None), "a number": (body(b"5"), None), "a text": (body(b'"x"'), None),
    "not a number": (body(b"NaN"), None), "nothing in it": (body(b"{}"), None), "half of it": (body(b'{"a": [1, '), None),
    "huge numbers": (body(b'{"status": 1e999, "prompt_id": 123456789012345678901234567890, "x": [-1e308, 1e-400]}'), None),
    "no UTF-8": (body(b'{"status": "\xff\xfe\xc0\x80", "prompt_id": "\xed\xa0\x80", "event_id": "\xff", "name": "\xff"}'), None),
    "very deep": (body(b"[" * 200000 + b"]" * 200000), None),
    "very many": (body(b"[" + b"{}," * 1000000 + b"{}]"), None),
    "control characters": (body(b'{"prompt_id": "a\\r\\nEvil: 1/../../x?y#z", "event_id": "../..\\u0000\\r\\n", "name": "\\u001b[2J", "detail": "\\u001b[2J\\u202e"}'), None),
}


class ComfyHandler(Handler):
    def stream_of_frames(self, *frames):
        """Takes the socket and sends frames, or what functions give instead; then reads until the other side goes."""
        key = base64.b64encode(hashlib.sha1(self.headers["Sec-WebSocket-Key"].encode() + GUID).digest())
        self.close_connection = True
        self.wfile.write(b"HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " + key + b"\r\n\r\n")
        for frame in frames:
            data = frame() if callable(frame) else frame
            if isinstance(data, bytes):
                self.wfile.write(data)
        self.wfile.flush()
        while self.rfile.read(1):
            pass


def frame(data, opcode=1, last=True):
    data = data.encode() if isinstance(data, str) else data
    size = len(data)
    length = bytes([size]) if size < 126 else b"\x7e" + struct.pack(">H", size) if size < 65536 else b"\x7f" + struct.pack(">Q", size)
    return bytes([(0x80 if last else 0) | opcode]) + length + data


def told(type, **data):
    return frame(json.dumps({"type": type, "data": data}))


GREETING = told("status", status={"exec_info": {"queue_remaining": 0}}, sid="x")
FILE = {"filename": "made.png", "subfolder": "", "type": "output"}


class Comfy(Standin):
    """A ComfyUI server without the newer routes, for one prompt, which is done as soon as it is there, or `released` says so."""
    handler = ComfyHandler

    def __init__(self):
        super().__init__()
        self.outputs = {"9": {"images": [FILE]}}
        self.id, self.prompted, self.released = None, threading.Event(), threading.Event()
        self.released.set()
        self.on = {
            ("GET", "/ws"): lambda handler: handler.stream_of_frames(GREETING),
            ("POST", "/upload/image"): lambda handler: handler.json({"name": "given.png", "subfolder": "", "type": "input"}),
            ("POST", "/prompt"): self.take, ("POST", "/free"): lambda handler: handler.reply(b""),
            ("GET", "/queue"): lambda handler: handler.json({"queue_running": [] if self.released.is_set() else [[1, self.id, {}, {}, []]], "queue_pending": []}),
            ("GET", "/history"): self.history,
            ("GET", "/view"): lambda handler: handler.reply(png(8, 8, 1), type="image/png"),
            ("GET", "/system_stats"): lambda handler: handler.json({"system": {"comfyui_version": "0.3.40"}, "devices": []}),
            ("GET", "/models"): lambda handler: handler.json([]),
        }

    def take(self, handler):
        self.id = json.loads(handler.body)["prompt_id"]
        self.on["GET", f"/history/{self.id}"] = lambda handler: self.on["GET", "/history"](handler)
        self.prompted.set()
        handler.json({"prompt_id": self.id, "number": 1, "node_errors": {}})

    def history(self, handler):
        handler.json({self.id: {"prompt": [1, self.id, {}, {}, []], "outputs": self.outputs,
                                "status": {"status_str": "success", "completed": True, "messages": []}}})

    def with_id(self, data):
        """The frame with the prompt's id where PROMPT stands."""
        id = self.id.encode()
        return data if b"PROMPT" not in data else frame(unframed(data).replace(b"PROMPT", id), data[0] & 15)


def unframed(data):
    size = data[1] & 0x7f
    return data[2 if size < 126 else 4 if size == 126 else 10:]
