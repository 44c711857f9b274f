"""Scripts that do what they should not, through the whole system: each gives a failed job that says why and what to do, leaves
nothing behind, and disturbs nobody."""

import json
import os
import re
import signal
import time

import pytest

from system import ROOT, System

SCRIPTS = os.path.join(ROOT, "tests", "fixtures", "scripts")
JOBS = "/api/v1/jobs"
TEXT = {"text": {"type": "text"}}


def landlock():
    import ctypes

    return max(ctypes.CDLL(None, use_errno=True).syscall(444, None, 0, 1), 0)


# Tries to get at everything of the server's, and tells what worked.
SPIES = """#!/usr/bin/python3 -IB
import glob, json, os, signal, sys
request = json.load(sys.stdin)
data, parent, done = os.environ["FNR_DATA"], os.getppid(), []
def attempt(name, action):
    try:
        action()
        done.append(name)
    except Exception as error:
        sys.stderr.write("%s: %s\\n" % (name, error))
def read(path):
    with open(path, "rb") as file:
        file.read(1)
def write(path):
    with open(path, "wb") as file:
        file.write(b"x")
for path in ("admin.key", "store/data.mdb", "store/lock.mdb", "config.yaml", "run/nginx.conf", "test.log"):
    attempt("read " + path, lambda: read(data + "/" + path))
for path in ("store", "journal", "run", "uploads", "blobs", "blobs/payload", "workspace", "workspace/victim", "."):
    attempt("list " + path, lambda: os.listdir(data + "/" + path))
for path in ("evil", "store/evil", "store/data.mdb", "workspace/evil", "workspace/victim/main/take_001/out.txt", "uploads/evil", "scripts/evil",
             "templates/evil.yaml", "templates/good/script", "blobs/templates/evil", "admin.key", "config.yaml", "run/evil"):
    attempt("write " + path, lambda: write(data + "/" + path))
attempt("write next to the data", lambda: write(os.path.dirname(data) + "/fnr_evil"))
attempt("write home", lambda: write("/root/fnr_evil"))
attempt("write shared memory", lambda: write("/dev/shm/fnr_evil"))
attempt("read the neighbours' jobs", lambda: [read(path) for path in glob.glob(data + "/workspace/victim/main/*/*")][0])
attempt("truncate", lambda: os.truncate(data + "/store/data.mdb", 0))
attempt("unlink", lambda: os.unlink(data + "/admin.key"))
attempt("rename", lambda: os.rename(data + "/admin.key", "stolen"))
attempt("link", lambda: os.link(data + "/admin.key", "linked"))
attempt("follow", lambda: (os.symlink(data + "/admin.key", "followed"), read("followed")))
attempt("signal the worker", lambda: os.kill(parent, signal.SIGCONT))
attempt("signal a neighbour", lambda: os.kill(int(open("/proc/%d/stat" % parent).read().rsplit(")", 1)[1].split()[1]), 0))
attempt("environment of the worker", lambda: read("/proc/%d/environ" % parent))
attempt("memory of the worker", lambda: read("/proc/%d/mem" % parent))
attempt("files of the worker", lambda: os.readlink("/proc/%d/fd/0" % parent))
attempt("root of the worker", lambda: read("/proc/%d/cwd/admin.key" % parent))
attempt("raise limits", lambda: __import__("resource").setrlimit(__import__("resource").RLIMIT_NPROC, (1 << 20, 1 << 20)))
open("out.txt", "w").write("done")
print(json.dumps({"output": "text", "path": "out.txt"}))
print(json.dumps({"result": {"done": done, "environment": sorted(os.environ), "descriptors": sorted(os.listdir("/proc/self/fd"))}}))
"""

MANY_FILES = """#!/usr/bin/python3 -IB
import json, os
for i in range(3000):
    os.makedirs("d%d/e/f" % (i % 50), exist_ok=True)
    open("d%d/e/f/file%d" % (i % 50, i), "w").write("x")
raise SystemExit(1)
"""
LOCKS_UP = """#!/usr/bin/python3 -IB
import os, time
os.makedirs("a/b")
open("a/b/c", "w").write("x")
os.chmod("a/b", 0); os.chmod("a", 0); os.chmod(".", 0)
raise SystemExit(1)
"""
EMPTY_LINES = "#!/bin/sh\nyes '' | head -n 1000000\nyes '{\"progress\":0.5}' | head -n 100000\nprintf x > out.txt\necho '{\"output\":\"text\",\"path\":\"out.txt\"}'\n"
DEEP_RESULT = """#!/usr/bin/python3 -IB
import json
value = 1
for i in range(%d):
    value = {"a": value}
open("out.txt", "w").write("done")
print(json.dumps({"output": "text", "path": "out.txt"}))
print(json.dumps({"result": value}))
"""
BIG_RESULT = """#!/usr/bin/python3 -IB
import json
open("out.txt", "w").write("done")
print(json.dumps({"output": "text", "path": "out.txt"}))
print(json.dumps({"result": {"text": "x" * 900000}}))
"""
STRANGE_WORDS = """#!/usr/bin/python3 -IB
import json, sys
print(json.dumps({"log": "\\u001b[31mred\\u0007 \\u2028 \\ud83c\\udfac </script>", "level": "shout"}))
print(json.dumps({"progress": 1e308, "message": "x" * 20000 + "\\n\\r\\u0085"}))
print(json.dumps({"progress": -5, "stage": "execution", "message": ""}))
sys.stderr.buffer.write(b"\\xff\\xfe\\0 broken\\n")
sys.stderr.flush()
print(json.dumps({"error": {"class": "validation", "code": "UPPER CASE!", "message": "x" * 5000 + "\\n\\u001b[0m", "suggestion": "y" * 5000, "action": "rm -rf", "detail": "z" * 50000}}))
"""
NO_INTERPRETER = "#!/no/such/interpreter\n"
NO_PROGRAM = "just text\n"


def fixture(name):
    with open(os.path.join(SCRIPTS, name)) as file:
        return file.read()


# name: (text of the script, more of the template, class, code)
FAILING = {
    "exit_3": (None, {}, "unknown", "script_failed"),
    "garbage": (None, {}, "permanent", "script_protocol"),
    "wrong_member": (None, {}, "permanent", "script_protocol"),
    "long_line": (None, {}, "permanent", "script_protocol"),
    "prints_100_mb": (None, {}, "permanent", "script_protocol"),
    "never_ends": (None, {"timeout_s": 1}, "permanent", "timeout"),
    "ignores_term": (None, {"timeout_s": 1}, "permanent", "timeout"),
    "crashes": (None, {}, "unknown", "script_crashed"),
    "says_error": (None, {}, "resource", "too_big"),
    "closes_everything": (None, {}, "unknown", "script_failed"),
    "eats_memory": (None, {"resources": {"memory_mb": 128}}, "resource", "out_of_memory"),
    "eats_memory_at_once": (None, {"resources": {"memory_mb": 128}}, "unknown", "script_failed"),
    "children_eat_memory": (None, {"resources": {"memory_mb": 256}}, "resource", "out_of_memory"),
    "fork_bomb": (None, {"timeout_s": 400}, "permanent", "too_many_processes"),
    "writes_too_much": (None, {}, None, None),
    "output_symlink": (None, {}, "permanent", "output_not_a_file"),
    "output_symlinked_folder": (None, {}, "permanent", "output_not_a_file"),
    "output_hard_link": (None, {}, "permanent", "output_not_a_file"),
    "output_swapped": (None, {}, "permanent", "output_not_a_file"),
    "output_fifo": (None, {}, "permanent", "output_not_a_file"),
    "output_folder": (None, {}, "permanent", "output_not_a_file"),
    "output_outside": (None, {}, "permanent", None),
    "output_absolute": (None, {}, "permanent", None),
    "output_absent": (None, {}, "permanent", "output_missing"),
    "output_not_given": (None, {}, "permanent", "output_missing"),
    "output_removed": (None, {}, "permanent", "output_missing"),
    "output_unknown": (None, {}, "permanent", "output_unknown"),
    "many_files": (MANY_FILES, {}, "unknown", "script_failed"),
    "locks_up": (LOCKS_UP, {}, "unknown", "script_failed"),
    "strange_words": (STRANGE_WORDS, {}, "validation", "script_error"),
    "no_interpreter": (NO_INTERPRETER, {}, "permanent", "script_missing"),
    "no_program": (NO_PROGRAM, {}, "permanent", "script_missing"),
}
# name: (text, what it must have done)
WORKING = {
    "good": None, "detaches": None, "echo_request": None, "previews": None, "talks_to_stderr": None, "leaves_locked_folders": None,
    "spies": SPIES, "escapes": None, "empty_lines": EMPTY_LINES, "big_result": BIG_RESULT, "deep_result": DEEP_RESULT % 62,
}


@pytest.fixture(scope="module")
def fnr():
    system = System("workers: {max: 6, min: 2}\nscript: {file: 104857600}\n")
    for name, (text, template, _, _) in FAILING.items():
        system.add_script(name, text or fixture(name), **{"outputs": TEXT, "timeout_s": 400, "retry": {"max_attempts": 1}, **template})
    for name, text in WORKING.items():
        system.add_script(name, text or fixture(name), outputs=TEXT, timeout_s=400, retry={"max_attempts": 1})
    system.add_script("retries", fixture("exit_3"), outputs=TEXT, retry={"max_attempts": 3, "delay_s": 0.1, "max_delay_s": 0.2})
    with system:
        with open(os.path.join(system.data, "store", "secret"), "w") as file:
            file.write("secret")
        assert system.run("good", project="victim")["state"] == "completed"
        yield system


def eventually(what, seconds=120):
    end = time.monotonic() + seconds
    while True:
        value = what()
        if value:
            return value
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.05)


def strays(fnr):
    """Processes of scripts: by their environment, by their working directory, or children of workers."""
    found, workers = [], set(fnr.pids_of("worker"))
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/stat") as file:
                parts = file.read().rsplit(")", 1)[1].split()
            with open(f"/proc/{pid}/environ", "rb") as file:
                environment = file.read()
            place = os.readlink(f"/proc/{pid}/cwd")
        except OSError:
            continue
        if parts[0] in "ZX":
            continue
        if b"FNR_JOB=" in environment and fnr.data.encode() in environment or place.startswith(fnr.data + "/workspace") or int(parts[1]) in workers:
            found.append(int(pid))
    return found


def leftovers(fnr):
    """Folders of attempts and of their work below the workspace."""
    found = []
    for place, folders, names in os.walk(os.path.join(fnr.data, "workspace")):
        found += [os.path.join(place, name) for name in folders if name.startswith((".attempt", ".work")) or name == ".tmp"]
        found += [os.path.join(place, name) for name in names if name == "evil"]
    return [path for path in found if not (path.endswith("/.work") and not os.listdir(path))]


def assert_nothing_is_left(fnr):
    eventually(lambda: not strays(fnr))
    eventually(lambda: not leftovers(fnr))


def assert_error(error, class_, code):
    assert set(error) == {"class", "code", "message", "suggestion", "action", "detail"}, error
    assert class_ is None or error["class"] == class_, error
    assert code is None or error["code"] == code, error
    assert error["message"] and error["suggestion"], error
    assert re.fullmatch("[a-z0-9_]+", error["code"])
    for text in (error["message"], error["suggestion"]):
        assert len(text) < 600 and not re.search(r"[\x00-\x1f\x7f]", text)


@pytest.mark.parametrize("name", FAILING)
def test_failing_script(fnr, name):
    _, _, class_, code = FAILING[name]
    bad = fnr.submit(name, project="bad", shot=name)
    good = [fnr.submit("good", project="good"), fnr.submit("noop")]  # meanwhile
    for job in good:
        job = fnr.wait(job["id"])
        assert job["state"] == "completed" and job["attempt"] == 1, job
    job = fnr.wait(bad["id"], timeout=500)
    assert job["state"] == "failed" and job["take"] is None and job["outputs"] == [], job
    assert_error(job["error"], class_, code)
    assert job["attempt"] == 1
    (attempt,) = fnr.get(f"{JOBS}/{job['id']}/attempts").json["items"]
    assert attempt["state"] == "failed" and attempt["error"] == job["error"]
    assert [stage["state"] for stage in job["progress"]["stages"]].count("failed") == 1 and job["progress"]["percent"] < 100
    assert not os.path.exists(os.path.join(fnr.data, "workspace", "bad", name, "take_001"))
    assert_nothing_is_left(fnr)
    eventually(lambda: fnr.get("/readyz").status == 200)


def test_what_the_error_says(fnr):
    """The last words of a script help those who look for the cause."""
    error = fnr.run("exit_3")["error"]
    assert "status 3" in error["message"] and "last trouble" in error["detail"] and "first trouble" in error["detail"]
    error = fnr.run("garbage")["error"]
    assert "Loading weights" in error["detail"] and "\x1b" not in error["detail"]
    error = fnr.run("never_ends")["error"]
    assert "1 second" in error["message"]
    assert fnr.run("says_error")["error"] == {
        "class": "resource", "code": "too_big", "message": "The picture is too big.", "suggestion": "Make it smaller.", "action": "reduce_quality",
        "detail": fnr.run("says_error")["error"]["detail"]}


def test_timeout_of_the_job(fnr):
    """timeout_s of the submission counts, and what it limits is the attempt."""
    job = fnr.run("never_ends", timeout_s=2)
    assert job["state"] == "failed" and job["error"]["code"] == "timeout"
    assert_nothing_is_left(fnr)


def test_retries_are_counted(fnr):
    job = fnr.run("retries")
    assert job["state"] == "failed" and job["attempt"] == 3
    attempts = fnr.get(f"{JOBS}/{job['id']}/attempts").json["items"]
    assert [attempt["state"] for attempt in attempts] == ["failed"] * 3
    assert {attempt["error"]["code"] for attempt in attempts} == {"script_failed"}
    assert_nothing_is_left(fnr)


@pytest.mark.parametrize("name", [name for name in WORKING if name not in ("spies", "escapes")])
def test_odd_but_working_script(fnr, name):
    job = fnr.run(name, project="odd", shot=name)
    assert job["state"] == "completed", job["error"]
    assert [output["name"] for output in job["outputs"]] == ["text"] and job["take"] == 1
    assert_nothing_is_left(fnr)


def test_processes_that_detach_are_ended(fnr):
    job = fnr.run("detaches")
    assert job["state"] == "completed"
    assert_nothing_is_left(fnr)
    lines = fnr.get(f"{JOBS}/{job['id']}/log").json["items"]
    assert any("left" in line["text"] and line["level"] == "warn" for line in lines), lines


def test_flood_on_standard_error_is_squeezed(fnr):
    job = fnr.run("talks_to_stderr")
    lines, cursor = [], 0
    while True:
        page = fnr.get(f"{JOBS}/{job['id']}/log?limit=500&after={cursor}").json["items"]
        if not page:
            break
        lines, cursor = lines + page, page[-1]["n"]
    assert 1000 < len(lines) <= 2010 and "left out" in lines[-1]["text"], (len(lines), lines[-1])


def test_request_and_environment(fnr):
    job = fnr.run("echo_request", seed=5, quality="high", metadata={"a": "ü"}, timeout_s=77)
    request = fnr.get(f"{JOBS}/{job['id']}/result").json["result"]
    assert (request["job"], request["attempt"], request["template"], request["quality"], request["seed"]) == (job["id"], 1, "echo_request", "high", 5)
    assert request["metadata"] == {"a": "ü"} and request["timeout_s"] == 77 and request["output_dir"] == request["project_path"]
    names = {line.split("=")[0] for line in fnr.get(job["outputs"][0]["url"]).data.decode().splitlines()}
    assert names <= {"PATH", "LANG", "HOME", "TMPDIR", "FNR_JOB", "FNR_ATTEMPT", "FNR_DATA", "PWD", "_", "SHLVL", "OLDPWD"}, names


@pytest.mark.skipif(landlock() < 3, reason="this kernel has no Landlock that holds all of it back")
def test_what_is_not_its_business(fnr):
    with open(os.path.join(fnr.data, "workspace", "victim", "main", "take_001", "out.txt"), "rb") as file:
        before = file.read()
    job = fnr.run("spies", project="spies")
    assert job["state"] == "completed", job["error"]
    result = fnr.get(f"{JOBS}/{job['id']}/result").json["result"]
    allowed = set() if landlock() >= 6 else {"signal the worker", "signal a neighbour"}
    assert set(result["done"]) <= allowed, result
    assert fnr.key not in json.dumps(result)
    assert set(result["descriptors"]) <= {"0", "1", "2", "3"}, result
    with open(os.path.join(fnr.data, "workspace", "victim", "main", "take_001", "out.txt"), "rb") as file:
        assert file.read() == before
    assert not os.path.exists(os.path.join(os.path.dirname(fnr.data), "fnr_evil")) and not os.path.exists("/dev/shm/fnr_evil")
    with open(os.path.join(fnr.data, "store", "secret")) as file:
        assert file.read() == "secret"
    job = fnr.run("escapes")
    result = fnr.get(f"{JOBS}/{job['id']}/result").json["result"]
    assert set(result["done"]) <= ({"kill"} if landlock() < 6 else set()), result
    assert fnr.get(JOBS).status == 200


def test_output_that_a_link_stands_for_does_not_get_out(fnr):
    for name in ("output_symlink", "output_swapped", "output_symlinked_folder", "output_absolute", "output_outside"):
        job = fnr.run(name)
        assert job["state"] == "failed"
        assert fnr.get(f"{JOBS}/{job['id']}/outputs/text").status == 404
        assert "root:" not in json.dumps(fnr.get(f"{JOBS}/{job['id']}/result").json)


def test_deeper_result_than_can_be_told(fnr):
    """What a script may print is as deep as any JSON; a result at that limit, and one beyond, end the job one way or the other."""
    job = fnr.run("deep_result")
    value, depth = fnr.get(f"{JOBS}/{job['id']}/result").json["result"], 0
    while isinstance(value, dict):
        value, depth = value["a"], depth + 1
    assert depth == 62


def test_cancel_a_script_that_does_not_want_to_end(fnr):
    job = fnr.submit("ignores_term", timeout_s=400)
    eventually(lambda: fnr.get(f"{JOBS}/{job['id']}").json["progress"]["percent"] > 0)
    answer = fnr.post(f"{JOBS}/{job['id']}/cancel")
    assert answer.status == 202 and answer.json["state"] in ("running", "cancelling", "cancelled")
    assert fnr.wait(job["id"])["state"] == "cancelled"
    assert_nothing_is_left(fnr)


def test_worker_that_is_killed_takes_its_script_with_it(fnr):
    job = fnr.submit("never_ends", timeout_s=400)
    worker = eventually(lambda: (lambda job: job["state"] == "running" and strays(fnr))(fnr.get(f"{JOBS}/{job['id']}").json))
    with open(f"/proc/{worker[0]}/stat") as file:
        parent = int(file.read().rsplit(")", 1)[1].split()[1])
    scripts = strays(fnr)
    os.kill(parent, signal.SIGKILL)
    eventually(lambda: not set(scripts) & set(strays(fnr)))
    eventually(lambda: fnr.get(f"{JOBS}/{job['id']}/attempts").json["items"][0]["state"] == "lost")
    fnr.post(f"{JOBS}/{job['id']}/cancel")
    assert fnr.wait(job["id"])["state"] == "cancelled"
    assert_nothing_is_left(fnr)


def test_all_at_once(fnr):
    """A crowd of them beside good jobs: every bad one fails as it should, no good one is held up or harmed."""
    names = ["exit_3", "garbage", "output_symlink", "long_line", "eats_memory", "says_error", "crashes", "never_ends", "many_files"]
    bad = {fnr.submit(name, project="crowd", shot=name)["id"]: name for name in names for _ in range(2)}
    good = [fnr.submit("good", project="crowd", shot="good")["id"] for _ in range(12)] + [fnr.submit()["id"] for _ in range(12)]
    for id in good:
        job = fnr.wait(id, timeout=500)
        assert job["state"] == "completed" and job["attempt"] == 1
    for id, name in bad.items():
        job = fnr.wait(id, timeout=500)
        assert job["state"] == "failed" and job["error"]["code"] == FAILING[name][3], (name, job["error"])
    takes = [fnr.get(f"{JOBS}/{id}").json["take"] for id in good[:12]]
    assert sorted(takes) == list(range(1, 13))
    assert_nothing_is_left(fnr)


def test_nothing_was_broken(fnr):
    """Last in this file."""
    log = fnr.log_text()
    for word in ("broken invariant", "AddressSanitizer", "runtime error", "LeakSanitizer"):
        assert word not in log, log[max(0, log.index(word) - 2000) : log.index(word) + 2000]
    fnr.check()
