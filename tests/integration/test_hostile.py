"""Servers that mean no good (hostile.py): at every step each of their answers becomes a clear error of the job, in time and with
little memory, and the worker goes on."""

import contextlib
import itertools
import json
import re
import struct
import unicodedata
from concurrent.futures import ThreadPoolExecutor

import pytest

from crash import until
from gradio_standin import CLOSE, DONE, EVENT
from gradio_standin import Standin as Gradio
from hostile import EVILS, FILE, GREETING, Comfy, frame, told
from kitchen import BACKENDS
from system import System

IDS = itertools.count()
MEMORY_MOST = 2 << 30         # of a worker, in a build with sanitizers


@pytest.fixture(scope="module")
def fnr():
    with System("workers: {min: 4, max: 6}\nbackends: {probe: 600}\nfetch: {private: true}\nstop: {grace: 5}\nscript: {file: 67108864}\n") as system:
        yield system
        log = system.log_text()
        assert "ended by signal" not in log and "event=worker.lost" not in log and "stopped answering" not in log


def memory_most(fnr):
    most = 0
    for pid in fnr.pids_of("worker"):
        with contextlib.suppress(OSError):      # it has ended, as idle ones do
            with open(f"/proc/{pid}/status") as file:
                most = max([most] + [int(line.split()[1]) << 10 for line in file if line.startswith("VmHWM")])
    return most


def learn(fnr, server, kind, **members):
    """The server becomes a backend, with a template of its own that takes a file and gives one."""
    id = f"evil-{next(IDS)}"
    answer = fnr.post(BACKENDS, {"id": id, "type": kind, "url": server.url, "options": {"patience_s": 1} if kind == "comfyui" else {}, **members})
    assert answer.status == 201, answer.data
    backend = {
        "comfyui": {"workflow": {"1": {"class_type": "LoadImage", "inputs": {"image": "x"}}, "9": {"class_type": "SaveImage", "inputs": {"images": ["1", 0]}}},
                    "bindings": {"/1/inputs/image": {"upload": "picture"}}, "outputs": {"answer": "9"}},
        "gradio": {"api_name": "/ask", "bindings": {"text": {"upload": "picture"}}},
    }[kind]
    answer = fnr.post("/api/v1/templates", {
        "id": id, "version": "1.0.0", "name": "Evil", "category": "image", "inputs": {"picture": {"type": "file", "required": True}},
        "outputs": {"answer": {"type": "file"}}, "retry": {"max_attempts": 1}, "on_lost": "fail", "timeout_s": 400,
        "backend": {"type": kind, "backends": [id], **backend}})
    assert answer.status == 201, answer.data
    return id


@pytest.fixture(scope="module")
def picture(fnr):
    answer = fnr.post("/api/v1/uploads", b"a picture", headers={"Content-Type": "text/plain"})
    assert answer.status == 201, answer.data
    return "upload:" + answer.json["id"]


def is_clear(error):
    """Something that people can read."""
    texts = [error[name] or "" for name in ("message", "suggestion", "detail")]
    odd = [c for text in texts for c in text if unicodedata.category(c) in ("Cc", "Cf", "Cs") and c not in "\n\t"]
    return error["message"] and error["class"] in ("transient", "resource", "validation", "permanent", "unknown") and error["code"] and not odd


def forget(fnr, id):
    until(lambda: fnr.request("DELETE", f"{BACKENDS}/{id}", headers={"If-Match": "*"}).status == 204, "it is gone")


def run(fnr, server, kind, picture):
    id = learn(fnr, server, kind)
    job = fnr.wait(fnr.submit(id, {"picture": picture})["id"], timeout=500)
    forget(fnr, id)
    return job


def wrong_with(fnr, server, kind, picture, codes):
    """What is wrong with how a job ends on that server; None: nothing. codes: None, or what its error may be."""
    job = run(fnr, server, kind, picture)
    error = job["error"]
    if job["state"] == "completed":
        return None if codes is None else f"completed instead of {codes}"
    if job["state"] != "failed" or not is_clear(error) or error["code"] in ("lost", "timeout", "internal"):
        return f"{job['state']} {error}"
    return None if codes is None or error["code"] in codes else f"{error['code']} instead of {codes}: {error['detail']}"


def side_by_side(fnr, names, one):
    """one(name) for all names; what it gives is what went wrong."""
    with ThreadPoolExecutor(6) as several:
        wrong = {str(name)[:200]: what for name, what in zip(names, several.map(one, names)) if what}
    assert not wrong, json.dumps(wrong, indent=1)
    assert memory_most(fnr) < MEMORY_MOST


def each_evil(fnr, kind, picture, make, step, half, codes_of=lambda name, codes: codes):
    """Half of them at one step, each on a server of its own."""
    def one(name):
        evil, codes = EVILS[name]
        with make() as server:
            server.on[step] = evil
            return wrong_with(fnr, server, kind, picture, codes_of(name, codes))
    side_by_side(fnr, list(EVILS)[half::2], one)


def each_evil_is_asked(fnr, kind, make, step, states):
    """All of them when the manager wants to know what the server is."""
    def one(name):
        with make() as server:
            server.on[step] = EVILS[name][0]
            id = learn(fnr, server, kind)
            backend = until(lambda: (found := fnr.get(f"{BACKENDS}/{id}").json)["state"] != "unknown" and found, "it was asked")
            forget(fnr, id)
            return None if backend["state"] in states else f"{backend['state']} {backend['breaker']}"
    side_by_side(fnr, EVILS, one)


# ---- ComfyUI ----

@pytest.mark.parametrize("step", [("GET", "/ws"), ("POST", "/upload/image"), ("POST", "/prompt"), ("GET", "/queue"), ("GET", "/history"), ("GET", "/view")],
                         ids=lambda step: step[1])
@pytest.mark.parametrize("half", [0, 1])
def test_answers_of_comfyui(fnr, picture, step, half):
    each_evil(fnr, "comfyui", picture, Comfy, step, half)


@pytest.mark.parametrize("step, states", [("/system_stats", {"down"}), ("/queue", {"ready"}), ("/models", {"ready"}), ("/models/checkpoints", {"ready"})])
def test_what_comfyui_says_of_itself(fnr, step, states):
    def make():
        server = Comfy()
        server.on["GET", "/models"] = lambda handler: handler.json(["checkpoints", 5, None, ["x"], "../..", "a" * 5000])
        return server
    each_evil_is_asked(fnr, "comfyui", make, ("GET", step), states)


OURS = "PROMPT"      # stands for the prompt's id
ODD = (None, True, -1, 1e308, float("nan"), "x" * 9999, [], [None, [{}]], {}, {"9": None}, {"9": {"state": "running", "value": float("inf"), "max": -0.0}})
MEMBERS = ("node", "nodes", "value", "max", "output", "exception_type", "exception_message", "traceback", "node_id", "display_node", "timestamp")
MESSAGES = ("status", "execution_start", "execution_cached", "executing", "progress", "progress_state", "executed", "execution_error", "feature_flags")
ABOUT = b'{"prompt_id": "PROMPT", "node_id": "9", "image_type": "image/png"}'
SOCKETS = {
    "fragments and pings": [frame('{"type": "sta', last=False), frame(b"ping", 9), frame("", 0, last=False), frame('tus", "data": {}}', 0)],
    "garbage": [b"\x00\xff\x13\x37" * 1000], "a length of 2^64": [b"\x81\x7f" + b"\xff" * 8], "a long ping": [b"\x89\x7e\x04\x00" + b"x" * 1024],
    "a ping in parts": [frame(b"x", 9, last=False)], "a close of one byte": [frame(b"x", 8)], "an end without a beginning": [frame("x", 0)],
    "a text within a text": [frame("a", last=False), frame("b")], "no UTF-8": [frame(b'{"type": "\xff\xfe"}')],
    "more than is allowed": [b"\x82\x7f" + struct.pack(">Q", 65 << 20)], "half a frame": [b"\x81\x7d{"], "very deep": [frame("[" * 100000)],
    "very many": [frame('{"type": "progress", "data": [' + "{}," * 1000000 + "{}]}")],
    "a flood": [told("progress", prompt_id=OURS, node="9", value=at, max=7) for at in range(20000)],
    "odd types": [told(kind, prompt_id=OURS, **{name: value for name in MEMBERS}) for value in ODD for kind in MESSAGES],
    "no data": [frame(text) for text in ("", "null", "[]", "{}", '{"type": null}', '{"type": "executing"}', '{"type": "progress", "data": null}', "NaN", '"', "5")],
    "odd frames": [frame(struct.pack(">II", kind, size) + rest, 2) for kind in (0, 1, 2, 3, 4, 5, 2 ** 32 - 1)
                   for size in (0, 1, 8, len(ABOUT), 2 ** 31, 2 ** 32 - 1) for rest in (b"", b"{", b"{}", ABOUT, b"\xff" * 300)],
}


def test_messages_of_comfyui(fnr, picture):
    """Points 6, 17: whatever its socket says, what the server answers when it is asked tells how the job ended."""
    def one(name):
        with Comfy() as server:
            server.released.clear()

            def talk(handler):
                try:
                    handler.stream_of_frames(GREETING, server.prompted.wait, *[lambda piece=piece: server.with_id(piece) for piece in SOCKETS[name]], server.released.set)
                finally:
                    server.released.set()
            server.on["GET", "/ws"] = talk
            job = run(fnr, server, "comfyui", picture)
            return None if job["state"] == "completed" and job["attempt"] == 1 else job["error"]
    side_by_side(fnr, SOCKETS, one)


@pytest.mark.parametrize("frames, code", [([], "backend_timeout"), ([b"\x88\x00"], "backend_connection_lost"), ([b"\xff" * 100], "backend_connection_lost")])
def test_a_socket_without_a_greeting(fnr, picture, frames, code):
    """Point 4"""
    with Comfy() as server:
        server.on["GET", "/ws"] = lambda handler: handler.stream_of_frames(*frames)
        assert wrong_with(fnr, server, "comfyui", picture, {code}) is None and not server.bodies("/prompt")


NAMES = ["../../../../etc/passwd", "/etc/passwd", "..", ".", "a/../../b.png", "..\\..\\b.png", "x.png\n", "\x00.png", "\x1b[2J.png", "n" * 5000 + ".png", "a." + "e" * 5000,
         "con.png?x=1&type=input#y", "%2e%2e%2fb.png", ".png", "take.json", ".job", " .png ", "\u202egnp.png", "\ud800.png", 5, None, [], {}]
OUTPUTS = [*({"9": {"images": [{"filename": name, "subfolder": "../..", "type": "output"}]}} for name in NAMES),
           *({"9": {"images": [{"filename": "a.png", "subfolder": "", "type": kind}]}} for kind in ("../input", "", None, 7, "x" * 9999)),
           None, [], "x", 5, {"9": None}, {"9": []}, {"9": {"images": None}}, {"9": {"images": {"a": 1}}}, {"9": {"images": [None, 5, "x", [], [[{}]]]}},
           {"9": {"text": ["x" * 1000] * 300, "images": [FILE]}}, {"9": {"images": [FILE] * 20000}}, {str(at): {"images": [FILE]} for at in range(20000)}]


def files_are_ours(job):
    """Either the job says clearly what is missing, or its one file has a name that we gave it."""
    if job["state"] == "failed":
        return None if is_clear(job["error"]) and job["error"]["code"] in ("output_missing", "output_empty", "app_error", "backend_output_gone") else job["error"]
    names = [output["path"].rpartition("/")[2] for output in job["outputs"]]
    return None if len(names) == 1 and re.fullmatch(r"[\w%. -]{1,140}", names[0]) and names[0] not in ("..", ".", ".job") else names


def test_results_of_comfyui(fnr, picture):
    """Points 20, 21: what a server calls its files is never a path of ours."""
    def one(outputs):
        with Comfy() as server:
            server.outputs = outputs
            return files_are_ours(run(fnr, server, "comfyui", picture))
    side_by_side(fnr, OUTPUTS, one)


# ---- Gradio ----

def gradio_with_a_file(**file):
    server = Gradio()
    server.config["components"][0]["type"] = server.config["components"][3]["type"] = "file"
    told_of = {"path": "/tmp/x.txt", "url": None, "orig_name": "x.txt", "meta": {"_type": "gradio.FileData"}, **file}
    server.tell([{**DONE, "output": {"data": [told_of, None]}}, CLOSE])
    server.on["POST", "/gradio_api/upload"] = lambda handler: handler.json(["/srv/0.txt"])
    server.on["GET", "/gradio_api/file=/tmp/x.txt"] = lambda handler: handler.reply(b"crumbs")
    return server


# What an answer means where it comes too late to be only a refusal, or does no harm.
MEANS = {
    "/gradio_api/queue/data": lambda name, codes: {"result_unknown"} if codes else None,
    "/gradio_api/file=/tmp/x.txt": lambda name, codes: {"backend_output_gone"} if name == "go away" else codes,
    "/gradio_api/app_id": lambda name, codes: None, "/gradio_api/info": lambda name, codes: None,
}


@pytest.mark.parametrize("step", [("POST", "/gradio_api/upload"), ("POST", "/gradio_api/queue/join"), ("GET", "/gradio_api/queue/data"),
                                  ("GET", "/gradio_api/file=/tmp/x.txt"), ("GET", "/gradio_api/app_id"), ("GET", "/gradio_api/info")],
                         ids=lambda step: step[1])
@pytest.mark.parametrize("half", [0, 1])
def test_answers_of_gradio(fnr, picture, step, half):
    each_evil(fnr, "gradio", picture, gradio_with_a_file, step, half, MEANS.get(step[1], lambda name, codes: codes))


@pytest.mark.parametrize("step, states", [("/config", {"down"}), ("/gradio_api/info", {"ready"}), ("/gradio_api/queue/status", {"ready"})])
def test_what_gradio_says_of_itself(fnr, step, states):
    each_evil_is_asked(fnr, "gradio", Gradio, ("GET", step), states)


def test_results_of_gradio(fnr, picture):
    """Point 21: what an app calls its files is never a path of ours."""
    files = [*({"orig_name": name} for name in NAMES), *({"path": value, "url": value, "orig_name": value} for value in (5, [], {}, True)),
             *({"is_stream": True, "url": url} for url in (5, "", "/stream/", "http://127.0.0.1:1/stream/../../x/playlist.m3u8?a#b", "/stream/\x00\n", "x" * 100000))]

    def one(file):
        with gradio_with_a_file(**file) as server:
            for path in ("/gradio_api/stream/../../x/playlist-file", "/x/playlist-file"):
                server.on["GET", path] = lambda handler: handler.reply(b"whole")
            return files_are_ours(run(fnr, server, "gradio", picture))
    side_by_side(fnr, files, one)


def test_data_of_gradio(fnr, picture):
    def one(output):
        with gradio_with_a_file() as server:
            server.tell([{"msg": "process_starts", "event_id": EVENT}, {"msg": "process_generating", "event_id": EVENT, "success": True, "output": output},
                         {"msg": "process_generating", "event_id": EVENT, "success": True, "output": output}, {**DONE, "output": output}, CLOSE])
            return files_are_ours(run(fnr, server, "gradio", picture))
    side_by_side(fnr, [{"data": value} for value in (5, "x", {}, [], [[[[[]]]]], [None] * 3000, [{"__type__": "update"}], [{"__type__": "update", "value": {"path": 5}}],
                                                     ["data:image/png;base64,!!!!"], ["data:;base64," + "QUJD" * 300000], [float("nan")], [2 ** 70])] +
                 [None, 5, [], {"data": ["x"], "error": 7}, {"no": "data"}], one)
