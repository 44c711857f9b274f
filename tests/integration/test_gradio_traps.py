"""What Gradio servers may do and real ones cannot be brought to do at will: a stand-in does it. The numbers are those of the
conformance list of the protocol's notes; what is not here, real apps show in test_gradio.py and test_gradio_servers.py."""

import itertools
import json
import subprocess
import threading
import time

import pytest

from crash import kill, living, until
from gradio_standin import CLOSE, CUT, DONE, EVENT, Standin
from kitchen import BACKENDS
from system import FNR, System

IDS = itertools.count()


@pytest.fixture(scope="module")
def fnr():
    with System("workers: {min: 1, max: 2}\nbackends: {probe: 600}\nfetch: {private: true}\n") as system:
        yield system


@pytest.fixture
def standin():
    with Standin() as server:
        yield server


def ask(fnr, standin, inputs=None, wait=True, template=None, **backend):
    """A job on the stand-in alone, through a template of its own."""
    id = f"trap-{next(IDS)}"
    answer = fnr.post(BACKENDS, {"id": id, "type": "gradio", "url": standin.url, **backend})
    assert answer.status == 201, answer.data
    definition = {
        "id": id, "version": "1.0.0", "name": "Ask", "category": "text", "inputs": {"text": {"type": "string", "default": "x"}},
        "outputs": {"answer": {"type": "text"}}, "retry": {"max_attempts": 1}, "backend": {"type": "gradio", "api_name": "/ask", "backends": [id]},
        **(template or {}),
    }
    definition["backend"]["backends"] = [id]
    answer = fnr.post("/api/v1/templates", definition)
    assert answer.status == 201, answer.data
    job = fnr.submit(id, inputs or {})
    return fnr.wait(job["id"]) if wait else job["id"]


def answer_of(fnr, job):
    assert job["state"] == "completed", job["error"]
    return fnr.get(f"/api/v1/jobs/{job['id']}/outputs/answer").data


# ---- what is asked, and where ----

def test_another_app_has_a_function_of_the_same_name(fnr, standin):
    """49.4: the first one takes other inputs; the job goes on to the one that it is for."""
    with Standin(dependency={"inputs": [2, 3]}) as other:
        parameters = [{"label": "Number", "parameter_name": "number", "parameter_has_default": True, "parameter_default": 5, "type": {}, "component": "Number"}]
        other.on["GET", f"{other.prefix}/info"] = lambda handler: handler.json({"named_endpoints": {"/ask": {"parameters": parameters, "returns": []}}})
        for id, url in (("namesake-a", other.url), ("namesake-b", standin.url)):
            assert fnr.post(BACKENDS, {"id": id, "type": "gradio", "url": url, "labels": ["namesakes"]}).status == 201
        until(lambda: all(fnr.get(f"{BACKENDS}/namesake-{one}").json["state"] == "ready" for one in "ab"), "they were asked")
        definition = {"id": "namesake", "version": "1.0.0", "name": "Ask", "category": "text", "inputs": {"text": {"type": "string", "default": "x"}},
                      "outputs": {"answer": {"type": "text"}}, "backend": {"type": "gradio", "api_name": "/ask", "labels": ["namesakes"], "bindings": {"text": "text"}}}
        assert fnr.post("/api/v1/templates", definition).status == 201
        jobs = [fnr.run("namesake", {}) for _ in range(2)]
        assert all(job["state"] == "completed" and job["backend"] == "namesake-b" for job in jobs), [job["error"] for job in jobs]
        assert max(job["attempt"] for job in jobs) == 2
        assert "namesake-a" in {attempt["backend"] for job in jobs for attempt in fnr.get(f"/api/v1/jobs/{job['id']}/attempts").json["items"]}
        for id in ("namesake-a", "namesake-b"):
            fnr.request("DELETE", f"{BACKENDS}/{id}", headers={"If-Match": "*"})


def test_addresses_names_and_values(fnr, standin):
    """2, 3, 4, 5: nothing from config.root; the function's id, not its place; null for state, the default for what is left out;
    one stream, after the join, with a session of its own."""
    assert answer_of(fnr, ask(fnr, standin, {"text": "hello"})) == b"answer"
    [body] = standin.bodies("/queue/join")
    assert (body["fn_index"], body["data"]) == (7, ["hello", None, 5]) and len(body["session_hash"]) >= 10
    paths = [path for _, path, _, _ in standin.asked if not path.endswith(("/queue/status", "/app_id"))]
    assert paths.index("/gradio_api/queue/join") < paths.index(f"/gradio_api/queue/data?session_hash={body['session_hash']}")
    assert standin.count("GET", "/queue/data") == 1
    assert all(path == "/config" or path.startswith("/gradio_api/") for path in paths)
    assert all(headers["x-gradio-user"] == "api" and "Origin" not in headers for _, _, headers, _ in standin.asked)


def test_a_release_without_ids_and_prefix(fnr):
    """1, 3: the place counts where there is no id; /info may be missing."""
    with Standin(version="4.20.0", api_prefix="", dependency={"api_name": "/ask"}) as standin:
        del standin.config["dependencies"][0]["id"], standin.config["api_prefix"]
        del standin.on["GET", "/info"]
        assert answer_of(fnr, ask(fnr, standin, {"text": "hello"})) == b"answer"
        assert [body["fn_index"] for body in standin.bodies("/queue/join")] == [0]


@pytest.mark.parametrize("page, word", [
    (lambda handler: handler.json({"version": "3.50.2", "components": [], "dependencies": []}), "Gradio 3.50.2"),
    (lambda handler: handler.json({"version": "3.1", "protocol": "ws", "components": [], "dependencies": []}), "Gradio 3.1"),
    (lambda handler: handler.reply(b"<html><script>window.gradio_config = {};</script>", 404, "text/html"), "Gradio 3 or older"),
    (lambda handler: handler.reply(b"<html>hello</html>", 200, "text/html"), "no Gradio app"),
    (lambda handler: handler.json({"detail": "Not Found"}, 404), "no Gradio app"),
    (lambda handler: handler.json([1]), "no Gradio app"),
    (lambda handler: handler.reply(b"", 302, Location="http://elsewhere.invalid/"), "another address"),
    (lambda handler: handler.json({"detail": "Not authenticated"}, 401), "--username NAME and FNR_BACKEND_PASSWORD"),
])
def test_what_is_no_app_that_we_speak_to(standin, page, word):
    """1"""
    standin.on["GET", "/config"] = page
    result = subprocess.run([FNR, "template", "import-gradio", standin.url], capture_output=True, text=True)
    assert result.returncode == 1 and word in result.stderr, result.stderr


@pytest.mark.parametrize("change", [lambda url: url.replace("://", "://me:s3same@"), lambda url: url + "/?token=s3same", lambda url: url + "#x"])
def test_no_secrets_in_addresses(standin, change):
    """60.6: they would stand in the template."""
    result = subprocess.run([FNR, "template", "import-gradio", change(standin.url)], capture_output=True, text=True)
    assert result.returncode == 2 and "FNR_BACKEND_TOKEN" in result.stderr and "s3same" not in result.stderr + result.stdout and not standin.asked


# ---- the stream ----

def test_the_result_is_there_before_the_join_is_answered(fnr, standin):
    """6, 8: and nothing was told before it."""
    def join(handler):
        time.sleep(0.3)
        handler.json({"event_id": EVENT})
    standin.on["POST", "/gradio_api/queue/join"] = join
    standin.tell([{**DONE, "output": {"data": ["cached", None]}, "used_cache": "full"}, CLOSE])
    assert answer_of(fnr, ask(fnr, standin)) == b"cached"


def test_messages_that_mean_nothing_here(fnr, standin):
    """7, 9, 12, 17: other jobs', unknown ones, fields that are null, errors in the log; and what follows the end."""
    other = {"event_id": "f" * 32}
    standin.tell([
        {**DONE, **other, "output": {"data": ["of another job", None]}}, {"msg": "process_completed", **other, "success": False, "output": {"error": "other"}},
        {"msg": "heartbeat", "event_id": None}, {"msg": "heartbeat"}, {"msg": "brand_new", "event_id": EVENT, "x": [1]}, {"no": "msg"},
        b"data: ALIVE\n\n", b"data: [1, NaN]\n\n", b": comment\n\n", b"event: x\n\n",
        {"msg": "estimation", "event_id": EVENT, "rank": None, "queue_size": None, "rank_eta": None}, {"msg": "estimation", "event_id": EVENT},
        {"msg": "process_starts", "event_id": EVENT, "eta": None},
        {"msg": "progress", "event_id": EVENT, "progress_data": [{"index": None, "length": None, "unit": None, "progress": None, "desc": None}]},
        {"msg": "progress", "event_id": EVENT, "progress_data": None}, {"msg": "progress", "event_id": EVENT, "progress_data": [None, 7, {"index": 1, "length": 0}]},
        {"msg": "log", "event_id": EVENT, "log": "not so good", "level": "error", "duration": None, "visible": True, "title": None},
        {"msg": "log", "event_id": EVENT, "log": None, "level": None},
        DONE, {"msg": "process_completed", "event_id": EVENT, "success": False, "output": {"error": "too late"}}, CLOSE,
    ])
    job = ask(fnr, standin)
    assert answer_of(fnr, job) == b"answer"
    assert "not so good" in [line["text"] for line in fnr.get(f"/api/v1/jobs/{job['id']}/log").json["items"]]


def test_bytes_in_any_pieces(fnr, standin):
    """16"""
    standin.tell([b": hello\r\n\r\n", b"data: {\"msg\":\r\ndata:  \"process_starts\"}\r\n\r\n",
                  "data: {\"msg\": \"process_completed\", \"success\": true, \"output\": {\"data\": [\"größer \U0001f600\", null]}}\r\n\r\n".encode()], piece=1)
    assert answer_of(fnr, ask(fnr, standin)) == "größer \U0001f600".encode()


@pytest.mark.parametrize("edits", [[["append", [5], "x"]], [["explode", [], 1]], [["delete", [0], None]], {"no": "list"}, "x", 7])
def test_edits_that_do_not_fit(fnr, standin, edits):
    """10, 11: they cost what is shown meanwhile, not the job."""
    generating = lambda data: {"msg": "process_generating", "event_id": EVENT, "success": True, "output": {"data": data}}
    standin.tell([generating(["half", None]), generating([edits, []]), generating([[["append", [], "!"]], []]), DONE, CLOSE])
    assert answer_of(fnr, ask(fnr, standin)) == b"answer"


def test_failures_of_functions(fnr, standin):
    """12: without a text, with a title, with the outlines of an error that we have rules for."""
    failed = lambda output: [{"msg": "process_completed", "event_id": EVENT, "success": False, "output": output}, CLOSE]
    standin.tell(failed({"error": None}))
    error = ask(fnr, standin)["error"]
    assert (error["class"], error["code"]) == ("unknown", "app_error") and "without saying which" in error["message"]
    standin.tell(failed({"error": "No butter.", "title": "Kitchen"}))
    assert ask(fnr, standin)["error"]["message"] == "Kitchen: No butter."
    standin.tell(failed({}))
    assert ask(fnr, standin)["error"]["code"] == "app_error"
    standin.tell(failed({"error": "You have exceeded your free GPU quota (60s requested vs. 0s left)."}))
    error = ask(fnr, standin)["error"]
    assert (error["class"], error["code"]) == ("transient", "app_quota")


def test_somebody_cancels_at_the_app(fnr, standin):
    """13: a success with nothing in it."""
    standin.tell([{"msg": "process_completed", "event_id": EVENT, "success": True, "output": {}}, CLOSE])
    error = ask(fnr, standin)["error"]
    assert (error["class"], error["code"]) == ("transient", "app_cancelled")


@pytest.mark.parametrize("messages", [
    [{"msg": "process_starts", "event_id": EVENT}],
    [{"msg": "process_starts", "event_id": EVENT}, CLOSE],
    [{"msg": "process_starts", "event_id": EVENT}, CUT],
    [b"data: {\"msg\": \"process_completed\", \"success\": tr", CUT],
    [{"msg": "unexpected_error", "event_id": None, "message": "", "session_not_found": True, "success": False}],
    [{"msg": "unexpected_error", "event_id": None, "message": "404: Not Found"}, 600],
    [{"msg": "Server stopped unexpectedly.", "event_id": None}, 600], [{"msg": "server_stopped"}, 600],
])
def test_the_stream_is_lost(fnr, standin, messages):
    """14, 15: then nobody knows, and nothing is sent again."""
    standin.tell(messages)
    job = ask(fnr, standin, template={"retry": {"max_attempts": 5}})
    assert (job["state"], job["attempt"], job["error"]["class"], job["error"]["code"]) == ("failed", 1, "unknown", "result_unknown"), job["error"]
    assert "the app runs on" in job["error"]["detail"]
    assert standin.count("POST", "/queue/join") == 1 and standin.count("GET", "/queue/data") == 1


def test_a_break_behind_the_end_is_none(fnr, standin):
    """15"""
    standin.tell([DONE, CUT])
    assert answer_of(fnr, ask(fnr, standin)) == b"answer"


def test_silence(fnr, standin):
    """25: not even a heartbeat; while as long as there are heartbeats a job may take its time."""
    standin.tell([{"msg": "process_starts", "event_id": EVENT}, 600])
    assert ask(fnr, standin, options={"stall_s": 1})["error"]["code"] == "result_unknown"
    beats = [item for _ in range(20) for item in (0.5, {"msg": "heartbeat", "event_id": None})]
    standin.tell([{"msg": "process_starts", "event_id": EVENT}, *beats, DONE, CLOSE])
    assert answer_of(fnr, ask(fnr, standin, options={"stall_s": 8})) == b"answer"


def test_a_page_instead_of_a_stream(fnr, standin):
    standin.on["GET", "/gradio_api/queue/data"] = lambda handler: handler.reply(b"<html>Log in</html>", 200, "text/html")
    error = ask(fnr, standin)["error"]
    assert error["code"] == "result_unknown" and "page" in error["detail"]


# ---- refusals ----

@pytest.mark.parametrize("status, type, body, class_, code, words", [
    (422, "application/json", '{"detail": "too short"}', "validation", "backend_input_refused", "too short"),
    (422, "application/json", '{"detail": [{"type": "x", "loc": ["body", "data"], "msg": "field required"}]}', "validation", "backend_input_refused", "field required"),
    (422, "application/json", '{"detail": [{"__type__": "validate", "is_valid": true}, {"__type__": "validate", "is_valid": false, "message": "No salt."}]}',
     "validation", "backend_input_refused", "No salt."),
    (422, "application/json", '{"detail": {"reason": 7}}', "validation", "backend_input_refused", "reason"),
    (400, "application/json", '{"detail": "Session hash not found."}', "permanent", "backend_refused", "Session hash not found."),
    (400, "text/plain", "", "permanent", "backend_refused", "did not accept"),
    (401, "application/json", '{"detail": {"error": "Not authenticated", "auth_message": "Ask the cook."}}', "transient", "backend_credentials", "Ask the cook."),
    (401, "application/json", '{"detail": "Not authenticated"}', "transient", "backend_credentials", "Not authenticated"),
    (500, "text/plain", "Internal Server Error", "unknown", "backend_error", "Internal Server Error"),
    (502, "text/html", "<html><body><h1>502 Bad Gateway</h1></body></html>", "transient", "backend_unavailable", "502 Bad Gateway"),
    (503, "application/json", '{"detail": "Queue is stopped."}', "transient", "backend_unavailable", "Queue is stopped."),
    (200, "text/html", "<html>hello</html>", "unknown", "backend_protocol", "unexpected"),
    (200, "application/json", "[]", "unknown", "backend_protocol", "unexpected"),
])
def test_the_join_is_refused(fnr, standin, status, type, body, class_, code, words):
    """18: in the server's words, whatever their form."""
    standin.on["POST", "/gradio_api/queue/join"] = lambda handler: handler.reply(body.encode(), status, type)
    job = ask(fnr, standin)
    assert (job["error"]["class"], job["error"]["code"]) == (class_, code), job["error"]
    assert words in job["error"]["message"] + (job["error"]["detail"] or ""), job["error"]
    assert standin.count("GET", "/queue/data") == 0 and (class_ != "validation" or standin.count("POST", "/queue/join") == 1)


def test_a_full_queue_and_a_limit_of_requests(fnr, standin):
    """18: tried again after a while; the server says how long."""
    answers = [(503, {"detail": "Queue is full. Max size is 1 and size is 1."}, {}), (429, {"detail": "slow"}, {"Retry-After": "1"}), (200, {"event_id": EVENT}, {})]
    def join(handler):
        status, body, headers = answers.pop(0)
        handler.json(body, status, **headers)
    standin.on["POST", "/gradio_api/queue/join"] = join
    job = ask(fnr, standin, template={"retry": {"max_attempts": 3, "delay_s": 0.1}})
    assert answer_of(fnr, job) == b"answer" and job["attempt"] == 2 and standin.count("POST", "/queue/join") == 3


def break_off(handler):
    handler.close_connection = True
    handler.connection.close()


def test_the_join_is_not_answered(fnr, standin):
    """Whether the server took it up, the session's stream tells: what it does not know was never begun, and may be sent again."""
    standin.on["POST", "/gradio_api/queue/join"] = break_off
    assert answer_of(fnr, ask(fnr, standin)) == b"answer" and standin.count("POST", "/queue/join") == 1
    standin.tell([{"msg": "unexpected_error", "event_id": None, "message": "", "session_not_found": True, "success": False}])
    error = ask(fnr, standin)["error"]
    assert (error["class"], error["code"]) == ("transient", "backend_connection_lost")


# ---- files ----

FILES = {"inputs": {"picture": {"type": "file", "required": True}}, "outputs": {"answer": {"type": "file"}},
         "backend": {"type": "gradio", "api_name": "/ask", "bindings": {"text": {"upload": "picture"}}}}
FILE = {"type": "file", "props": {"name": "file"}, "id": 1, "skip_api": False}


def give_file(standin, **file):
    standin.config["components"][3]["type"] = "file"
    data = {"path": None, "url": None, "size": None, "orig_name": None, "mime_type": None, "is_stream": False, "meta": {"_type": "gradio.FileData"}, **file}
    standin.tell([{**DONE, "output": {"data": [data, None]}}, CLOSE])


def test_files_up_and_down(fnr, standin):
    """20, 21: by their part's name, with their mark; down by the escaped path, without ranges."""
    standin.config["components"][0]["type"] = "file"
    standin.on["POST", "/gradio_api/upload"] = lambda handler: handler.json(["/srv/tmp/0.bin"])
    give_file(standin, path="/tmp/a b#1%?é.txt", orig_name="../é.txt", url="http://nowhere.invalid/file")
    standin.on["GET", "/gradio_api/file=/tmp/a%20b%231%25%3F%C3%A9.txt"] = lambda handler: handler.reply(b"crumbs")
    upload = fnr.post("/api/v1/uploads", b"flour", headers={"Content-Type": "text/plain", "X-Filename": "flour.txt"}).json["id"]
    job = ask(fnr, standin, {"picture": f"upload:{upload}"}, template=FILES)
    assert answer_of(fnr, job) == b"crumbs" and job["outputs"][0]["media_type"] == "text/plain"
    [body] = standin.bodies("/queue/join")
    assert body["data"][0]["path"] == "/srv/tmp/0.bin" and body["data"][0]["orig_name"] == "flour.txt"
    assert body["data"][0]["meta"] == {"_type": "gradio.FileData"}
    sent = next(entry for entry in standin.asked if entry[1] == "/gradio_api/upload")
    assert b'name="files"; filename="flour.txt"' in sent[3] and b"flour" in sent[3]
    assert all("Range" not in headers for _, _, headers, _ in standin.asked)


def test_files_that_are_not_to_be_had(fnr, standin):
    """21"""
    give_file(standin, path="/tmp/gone.txt")
    standin.on["GET", "/gradio_api/file=/tmp/gone.txt"] = lambda handler: handler.json({"detail": "File not allowed: /tmp/gone.txt"}, 403)
    error = ask(fnr, standin, template={"outputs": {"answer": {"type": "file"}}})["error"]
    assert error["code"] == "backend_output_gone" and "File not allowed" in error["detail"]


def test_streams_and_data_in_place(fnr, standin):
    """21: what is streamed is got whole; small things may come in place."""
    give_file(standin, path="/tmp/x", orig_name="sound.wav", is_stream=True, url="http://nowhere.invalid/gradio_api/stream/s/r/4/playlist.m3u8")
    standin.on["GET", "/gradio_api/stream/s/r/4/playlist-file"] = lambda handler: handler.reply(b"RIFF")
    assert answer_of(fnr, ask(fnr, standin, template={"outputs": {"answer": {"type": "file"}}})) == b"RIFF"
    standin.tell([{**DONE, "output": {"data": ["data:image/png;base64,iVBORw0KGgo=", None]}}, CLOSE])
    job = ask(fnr, standin, template={"outputs": {"answer": {"type": "image"}}})
    assert answer_of(fnr, job) == b"\x89PNG\r\n\x1a\n" and job["outputs"][0]["path"].endswith("answer.png")


def test_no_credentials_for_others(fnr, standin):
    """19, 21: the token goes to the app with everything, and to nobody else."""
    with Standin() as elsewhere:
        elsewhere.on["GET", "/public.txt"] = lambda handler: handler.reply(b"for all")
        give_file(standin, path=f"{elsewhere.url}/public.txt")
        job = ask(fnr, standin, template={"outputs": {"answer": {"type": "file"}}}, credentials={"token": "hf_sesame"})
        assert answer_of(fnr, job) == b"for all"
        assert all(headers["Authorization"] == "Bearer hf_sesame" for _, _, headers, _ in standin.asked)
        assert elsewhere.asked and all("Authorization" not in headers for _, _, headers, _ in elsewhere.asked)
        standin.on["POST", "/gradio_api/queue/join"] = lambda handler: handler.reply(b"", 307, Location=f"{elsewhere.url}/queue/join")
        assert ask(fnr, standin, credentials={"token": "hf_sesame"})["error"]["code"] == "backend_moved"
        assert len(elsewhere.asked) == 1


# ---- killed in every phase ----

def held(answer, hold):
    """The answer comes when `hold` is set; that it was asked for is told by hold.asked."""
    def wait(handler):
        hold.asked.set()
        hold.wait(240)
        answer(handler)
    return wait


# Where a job is held, and whether the app was asked for it by then.
PHASES = {
    "config": ("GET", "/config", False), "upload": ("POST", "/gradio_api/upload", False), "join": ("POST", "/gradio_api/queue/join", True),
    "stream": ("GET", "/gradio_api/queue/data", True), "result": ("GET", "/gradio_api/file=/tmp/made.txt", True),
}


@pytest.mark.parametrize("victim", ["worker", "fnr-manager"])
@pytest.mark.parametrize("phase", PHASES)
def test_killed_in_every_phase(standin, victim, phase):
    """49.10: what the app was never asked for is done again; of what it was asked for nobody knows, and it is not sent twice."""
    method, path, begun = PHASES[phase]
    standin.config["components"][0]["type"] = "file"
    standin.on["POST", "/gradio_api/upload"] = lambda handler: handler.json(["/srv/tmp/0.bin"])
    standin.on["GET", "/gradio_api/file=/tmp/made.txt"] = lambda handler: handler.reply(b"crumbs")
    give_file(standin, path="/tmp/made.txt", orig_name="made.txt")
    hold = threading.Event()
    hold.asked = threading.Event()
    with System("workers: {min: 1, max: 2}\nbackends: {probe: 600}\nstop: {grace: 2}\n") as fnr:
        upload = fnr.post("/api/v1/uploads", b"flour", headers={"Content-Type": "text/plain"}).json["id"]
        warm = ask(fnr, standin, {"picture": f"upload:{upload}"}, template=FILES)
        assert answer_of(fnr, warm) == b"crumbs"
        joins = standin.count("POST", "/queue/join")
        if phase == "config":                   # another app, as far as one can tell
            standin.config["app_id"] += 1
        standin.on[method, path] = held(standin.on[method, path], hold)
        id = fnr.submit(warm["template"], {"picture": f"upload:{upload}"})["id"]
        assert hold.asked.wait(240)
        workers = fnr.pids_of("fnr-worker")
        kill(fnr.pids_of(victim))
        until(lambda: not living(workers), "none of them goes on")
        hold.set()
        job = fnr.wait(id)
        if not begun:
            assert answer_of(fnr, job) == b"crumbs"
            begun = True
        else:
            assert job["state"] == "failed" and (job["error"]["class"], job["error"]["code"]) == ("unknown", "lost"), job["error"]
        assert standin.count("POST", "/queue/join") == joins + begun


# ---- cancel, and the simple interface ----

@pytest.mark.parametrize("version, paths", [("6.25.0", ["/cancel"]), ("4.44.1", ["/cancel", "/reset"]), ("4.20.0", ["/reset"])])
def test_cancel(fnr, version, paths):
    """22: once, with all that names the job; it is over when the app says so, and soon if it says nothing."""
    with Standin(version=version) as standin:
        standin.on["POST", "/gradio_api/reset"] = lambda handler: handler.json({"success": True})
        standin.tell([{"msg": "process_starts", "event_id": EVENT}, 600])
        id = ask(fnr, standin, wait=False)
        until(lambda: fnr.get(f"/api/v1/jobs/{id}").json["progress"]["stage"] == "execution", "it runs")
        assert fnr.post(f"/api/v1/jobs/{id}/cancel").status == 202
        assert fnr.wait(id)["state"] == "cancelled"
        assert [path for path in ("/cancel", "/reset") if standin.count("POST", path) == 1] == paths
        [join] = standin.bodies("/queue/join")
        for body in standin.bodies("/cancel"):
            assert body == {"fn_index": 7, "session_hash": join["session_hash"], "event_id": EVENT}
        assert any("may go on computing" in line["text"] for line in fnr.get(f"/api/v1/jobs/{id}/log").json["items"])


def test_an_app_that_goes_on_after_a_cancel(fnr):
    """41.11: as it says nothing of an end, it is suspect and gets no more jobs until its queue is empty; one that says so is not."""
    with Standin() as standin:
        told, generating = threading.Event(), {"msg": "process_generating", "event_id": EVENT, "success": True, "output": {"data": ["more", None]}}
        standin.on["GET", "/gradio_api/queue/status"] = lambda handler: handler.json({"msg": "estimation", "rank": None, "queue_size": 3})
        standin.tell([{"msg": "process_starts", "event_id": EVENT}] + [generating, 0.2] * 2000)
        id = ask(fnr, standin, wait=False)
        backend = lambda: fnr.get(f"{BACKENDS}/{fnr.get(f'/api/v1/jobs/{id}').json['backend']}").json
        running = lambda: until(lambda: fnr.get(f"/api/v1/jobs/{id}").json["progress"]["stage"] == "execution", "it runs")
        running()
        assert fnr.post(f"/api/v1/jobs/{id}/cancel").status == 202
        assert fnr.wait(id)["state"] == "cancelled"
        name = until(lambda: (one := backend())["state"] == "suspect" and one["id"], "it is suspect")
        assert "told to stop" in backend()["breaker"]["reason"]
        standin.on["GET", "/gradio_api/queue/status"] = lambda handler: handler.json({"msg": "estimation", "rank": None, "queue_size": 0})
        until(lambda: backend()["state"] == "ready", "it is trusted again")

        def cancelled(handler):
            handler.json({"success": True})
            told.set()

        def stream(handler):
            handler.stream(itertools.chain([{"msg": "process_starts", "event_id": EVENT}], waits(told), [{**DONE, "output": {}}, CLOSE]))

        standin.on["POST", "/gradio_api/cancel"], standin.on["GET", "/gradio_api/queue/data"] = cancelled, stream
        id = fnr.submit(name, {})["id"]
        running()
        assert fnr.post(f"/api/v1/jobs/{id}/cancel").status == 202
        assert fnr.wait(id)["state"] == "cancelled"
        assert backend()["state"] == "ready" and fnr.log_text().count(f"backend={name} breaker=closed state=suspect") == 1


def waits(event):
    """For a list of messages: nothing more until then."""
    event.wait(240)
    return
    yield


@pytest.mark.parametrize("events, expected", [
    ("event: heartbeat\ndata: null\n\nevent: generating\ndata: [\"half\", null]\n\nevent: complete\ndata: [\"whole\", NaN]\n\n", b"whole"),
    ("event: error\ndata: null\n\n", "without saying which"),
    ("event: error\ndata: {\"error\": \"No butter.\", \"title\": \"Error\"}\n\n", "No butter."),
    ("event: error\ndata: \"404: Not Found\"\n\n", "not known"),
    ("event: complete\ndata: null\n\n", "cancelled"),
])
def test_the_simple_interface(fnr, standin, events, expected):
    """23: where the queue's paths do not come through; its result can be read once only."""
    del standin.on["POST", "/gradio_api/queue/join"]
    standin.on["POST", "/gradio_api/call/ask"] = lambda handler: handler.json({"event_id": EVENT})
    standin.on["GET", f"/gradio_api/call/ask/{EVENT}"] = lambda handler: handler.stream([events.encode()])
    job = ask(fnr, standin, {"text": "hello"})
    if isinstance(expected, bytes):
        assert answer_of(fnr, job) == expected
    else:
        assert expected in job["error"]["message"], job["error"]
    assert standin.bodies("/call/ask") == [{"data": ["hello", None, 5]}] and standin.count("GET", f"/call/ask/{EVENT}") == 1


def test_the_simple_interface_is_not_answered(fnr, standin):
    """There is no session that could be asked: nobody knows."""
    del standin.on["POST", "/gradio_api/queue/join"]
    standin.on["POST", "/gradio_api/call/ask"] = break_off
    assert ask(fnr, standin)["error"]["code"] == "result_unknown" and standin.count("POST", "/call/ask") == 1


def test_what_is_not_queued_and_says_why(fnr, standin):
    """24"""
    standin.config["dependencies"][0]["queue"] = False
    standin.on["POST", "/gradio_api/run/ask"] = lambda handler: handler.json({"data": ["direct", None], "duration": 1})
    assert answer_of(fnr, ask(fnr, standin, {"text": "hello"})) == b"direct"
    standin.on["POST", "/gradio_api/run/ask"] = lambda handler: handler.json({"error": "No butter."}, 500)
    assert ask(fnr, standin)["error"]["message"] == "No butter."
    standin.on["POST", "/gradio_api/run/ask"] = lambda handler: handler.json({"error": None}, 500)
    assert "without saying which" in ask(fnr, standin)["error"]["message"]
    assert standin.count("POST", "/queue/join") == 0
