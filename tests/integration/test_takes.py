"""Takes: the active one, deleting, exporting."""

import io
import json
import os
import subprocess
import tarfile

import pytest

from crash import until
from system import FNR, System, assert_problem

JOBS = "/api/v1/jobs"
LATER = "2099-01-01T00:00:00Z"
WRITE = """#!/usr/bin/python3 -IB
import json, sys
request = json.load(sys.stdin)
for name, text in (("file", request["parameters"].get("text", "x")), ("empty", ""), ("n" * 120, "long")):
    open(name + ".txt", "w").write(text)
    if name != "empty" or request["parameters"].get("empty", True):
        print(json.dumps({"output": "file" if name == "file" else "empty" if name == "empty" else "long", "path": name + ".txt"}))
"""
OUTPUTS = {name: {"type": "file"} for name in ("file", "empty", "long")}


@pytest.fixture(scope="module")
def fnr():
    system = System("workers: {min: 2, max: 2}\n")
    system.add_script("write", WRITE, inputs={"text": {"type": "string"}}, outputs=OUTPUTS)
    system.add_script("read", "#!/bin/sh\ncat >/dev/null\necho x >file.txt\necho '{\"output\": \"file\", \"path\": \"file.txt\"}'\n",
                      inputs={"file": {"type": "file"}, "files": {"type": "array", "items": {"type": "file"}}})
    with system:
        yield system


def takes(shot, project="p"):
    return f"/api/v1/projects/{project}/shots/{shot}/takes"


def folder(fnr, shot, take, project="p"):
    return os.path.join(fnr.data, "workspace", project, shot, f"take_{take:03}")


def active(fnr, shot):
    return [item["take"] for item in fnr.get(takes(shot)).json["items"] if item["active"]]


def choose(fnr, shot, take, **options):
    return fnr.request("PUT", f"/api/v1/projects/p/shots/{shot}/active-take", {"take": take}, **options)


def test_the_active_one(fnr):
    for _ in range(3):
        fnr.run("write", project="p", shot="chosen")
    assert active(fnr, "chosen") == [3]
    assert choose(fnr, "chosen", 2).json == {"take": 2}
    assert active(fnr, "chosen") == [2] and fnr.get(takes("chosen") + "/2").json["active"] is True
    fnr.run("write", project="p", shot="chosen")
    assert active(fnr, "chosen") == [2]
    assert choose(fnr, "chosen", None).json == {"take": 4}
    choose(fnr, "chosen", 1)
    assert fnr.request("DELETE", takes("chosen") + "/1").status == 204
    assert active(fnr, "chosen") == [4], "the chosen one is gone: the newest again"
    for body in ({"take": 0}, {"take": "1"}, {"take": 1.5}, {"take": -1}, {}, {"take": 1, "takes": 2}, {"take": 1 << 40}):
        assert_problem(fnr.request("PUT", "/api/v1/projects/p/shots/chosen/active-take", body), 422, "invalid")
    assert_problem(choose(fnr, "chosen", 1), 404, "not_found")
    assert_problem(choose(fnr, "chosen", 77), 404, "not_found")
    assert_problem(choose(fnr, "none", 1), 404, "not_found")


def test_deleted(fnr):
    """With its files; the number is not given again, and the job that made it says that nothing is left."""
    job = fnr.run("write", project="p", shot="gone")
    assert os.path.exists(folder(fnr, "gone", 1))
    assert fnr.request("DELETE", takes("gone") + "/1").status == 204
    assert_problem(fnr.get(takes("gone") + "/1"), 404, "not_found")
    assert_problem(fnr.request("DELETE", takes("gone") + "/1"), 404, "not_found")
    assert_problem(fnr.get(takes("gone") + "/1/files/file.txt"), 404)
    until(lambda: not os.path.exists(folder(fnr, "gone", 1)), "its files go")
    after = fnr.get(f"{JOBS}/{job['id']}").json
    assert (after["state"], after["take"], after["outputs"]) == ("completed", None, [])
    assert_problem(fnr.get(f"{JOBS}/{job['id']}/outputs/file"), 404, "not_found")
    assert_problem(fnr.post(JOBS, {"template": "read", "inputs": {"file": f"job:{job['id']}/file"}}), 422, "invalid", "deleted")
    assert_problem(fnr.post(JOBS, {"template": "write", "inputs": {}, "depends_on": [job["id"]]}), 422, "invalid", "deleted")
    assert fnr.run("write", project="p", shot="gone")["take"] == 2
    assert fnr.post(f"{JOBS}/{job['id']}/retry", {}).status == 202
    assert fnr.request("DELETE", f"{JOBS}/{job['id']}").status == 204


def test_the_same_work_is_done_again_when_its_take_is_gone(fnr):
    body = {"template": "write", "inputs": {"text": "once"}, "project": "p", "shot": "once", "seed": 1, "dedupe": True}
    first = fnr.post(JOBS, body).json["id"]
    fnr.wait(first)
    assert fnr.post(JOBS, body).json["id"] == first
    assert fnr.request("DELETE", takes("once") + "/1").status == 204
    second = fnr.post(JOBS, body).json["id"]
    assert second != first and fnr.wait(second)["take"] == 2


def test_what_waits_for_it_keeps_it(fnr):
    """By a file of it as an input, by all takes of a shot, by the job that made it; until the one that needs it has finished."""
    job = fnr.run("write", project="p", shot="kept")
    needs = [
        {"template": "read", "inputs": {"file": "take:p/kept/1/file.txt"}, "not_before": LATER},
        {"template": "read", "inputs": {"files": ["take:p/kept/1/file.txt", "take:p/kept/1/empty.txt"]}, "not_before": LATER},
        {"template": "read", "inputs": {"file": f"job:{job['id']}/file"}, "not_before": LATER},
        {"template": "read", "inputs": {"file": f"job:{job['id']}/file"}, "depends_on": [job["id"]], "not_before": LATER},
    ]
    for body in needs:
        answer = fnr.post(JOBS, body)
        assert answer.status == 202, answer.data
        needing = answer.json["id"]
        assert_problem(fnr.request("DELETE", takes("kept") + "/1"), 409, "conflict", needing)
        assert fnr.get(takes("kept") + "/1").status == 200
        fnr.post(f"{JOBS}/{needing}/cancel")
        assert fnr.wait(needing)["state"] == "cancelled"
    done = fnr.run("read", {"file": "take:p/kept/1/file.txt"})
    assert done["state"] == "completed"
    assert fnr.request("DELETE", takes("kept") + "/1").status == 204
    assert_problem(fnr.post(f"{JOBS}/{done['id']}/retry", {}), 422, "invalid", "take")


def test_export(fnr):
    text = "all of it\n" * 1000
    fnr.run("write", {"text": text}, project="p", shot="exported")
    answer = fnr.get(takes("exported") + "/1/export")
    assert answer.status == 200 and answer.headers["Content-Type"] == "application/x-tar"
    assert answer.headers["Content-Disposition"] == 'attachment; filename="p-exported-take_001.tar"'
    with tarfile.open(fileobj=io.BytesIO(answer.data)) as archive:
        found = {member.name.removeprefix("p/exported/take_001/"): archive.extractfile(member).read() for member in archive}
        assert all(member.isreg() and member.mode == 0o644 for member in archive)
    assert set(found) == {"take.json", "file.txt", "empty.txt", "n" * 120 + ".txt"}
    assert found["file.txt"].decode() == text and found["empty.txt"] == b"" and found["n" * 120 + ".txt"] == b"long"
    assert json.loads(found["take.json"])["shot"] == "exported"
    done = subprocess.run(["tar", "-tf", "-"], input=answer.data, capture_output=True)
    assert done.returncode == 0 and done.stderr == b"", done.stderr
    ticket = fnr.post("/api/v1/tickets", {"path": takes("exported") + "/1/export"}).json
    assert fnr.get(ticket["url"], headers={"Authorization": None}).data == answer.data
    os.unlink(os.path.join(folder(fnr, "exported", 1), "file.txt"))
    assert_problem(fnr.get(takes("exported") + "/1/export"), 404, "not_found", "file.txt")


def test_files_cannot_say_what_is_included(fnr):
    """What a result holds is not read for directives."""
    text = '<!--# include virtual="/internal/files/workspace/p/secret/take_001/file.txt" --><!--# echo var="http_authorization" -->'
    fnr.run("write", {"text": "secret"}, project="p", shot="secret")
    fnr.run("write", {"text": text}, project="p", shot="sly")
    with tarfile.open(fileobj=io.BytesIO(fnr.get(takes("sly") + "/1/export").data)) as archive:
        assert archive.extractfile("p/sly/take_001/file.txt").read().decode() == text


def test_rights(fnr):
    fnr.run("write", project="p", shot="rights")
    reader = fnr.post("/api/v1/keys", {"name": "reader", "scopes": ["read"]}).json["key"]
    other = fnr.post("/api/v1/keys", {"name": "other", "scopes": ["submit"], "projects": ["other"]}).json["key"]
    assert_problem(fnr.request("DELETE", takes("rights") + "/1", key=reader), 403, "forbidden")
    assert_problem(choose(fnr, "rights", 1, key=reader), 403, "forbidden")
    assert fnr.get(takes("rights") + "/1/export", key=reader).status == 200
    for answer in (fnr.request("DELETE", takes("rights") + "/1", key=other), choose(fnr, "rights", 1, key=other),
                   fnr.get(takes("rights") + "/1/export", key=other)):
        assert_problem(answer, 404, "not_found")


def test_deleted_through_a_kill(fnr):
    """The files go, whatever happens between."""
    ids = [fnr.submit("write", project="p", shot="kill")["id"] for _ in range(20)]
    numbers = [fnr.wait(id)["take"] for id in ids]
    for take in numbers:
        assert fnr.request("DELETE", takes("kill") + f"/{take}").status == 204
    fnr.kill_all()
    fnr.start()
    until(lambda: os.listdir(os.path.dirname(folder(fnr, "kill", 1))) == [], "they are gone")
    assert fnr.get(takes("kill")).json["items"] == []
    assert fnr.run("write", project="p", shot="kill")["take"] == 21
    fnr.stop()
    fnr.start()


def test_command(fnr, tmp_path):
    def run(*arguments, status=0):
        done = subprocess.run([FNR, "take", *arguments, "--data", fnr.data], capture_output=True, text=True, cwd=tmp_path)
        assert done.returncode == status, done.stdout + done.stderr
        return done.stdout + done.stderr
    for _ in range(2):
        fnr.run("write", project="p", shot="cli")
    run("activate", "p", "cli", "1")
    assert active(fnr, "cli") == [1]
    run("activate", "p", "cli", "newest")
    assert active(fnr, "cli") == [2]
    run("activate", "p", "cli", "x", status=2)
    assert run("export", "p", "cli", "1") == "p-cli-take_001.tar\n"
    assert "p/cli/take_001/file.txt" in tarfile.open(tmp_path / "p-cli-take_001.tar").getnames()
    run("export", "p", "cli", "7", status=1)
    run("delete", "p", "cli", "1", "2")
    assert fnr.get(takes("cli")).json["items"] == []


# ---- those who look ----

def test_those_who_show_takes_hear_of_changes(fnr):
    """What is chosen or deleted is told to those who may see the project, and to nobody else."""
    for _ in range(3):
        fnr.run("write", {}, project="heard", shot="s")
    key = fnr.post("/api/v1/keys", {"name": "o", "scopes": ["read"], "projects": ["heard", "other"]}).json["key"]
    other = fnr.post("/api/v1/keys", {"name": "o", "scopes": ["read"], "projects": ["other"]}).json["key"]
    path = "/api/v1/events?types=take.chosen,take.deleted"
    with fnr.stream(path, key=key) as ours, fnr.stream(path, key=other) as theirs, fnr.stream(path + "&project=heard") as wide:
        assert {next(iter(stream)).name for stream in (ours, theirs, wide)} == {"snapshot"}
        assert fnr.request("PUT", "/api/v1/projects/heard/shots/s/active-take", {"take": 1}).status == 200
        assert fnr.request("PUT", "/api/v1/projects/heard/shots/s/active-take", {"take": None}).status == 200
        assert fnr.request("DELETE", takes("s", "heard") + "/3").status == 204
        fnr.run("write", {}, project="other", shot="s")
        assert fnr.request("DELETE", takes("s", "other") + "/1").status == 204
        expected = [("take.chosen", 1, 1), ("take.chosen", None, 3), ("take.deleted", 3, 2)]
        for stream in (ours, wide):
            events = (event for event in stream if event.name.startswith("take."))
            got = [next(events) for _ in expected]
            assert [(event.name, event.data["take"], event.data["active"]) for event in got] == expected
            assert {(event.data["project"], event.data["shot"]) for event in got} == {("heard", "s")}
        first = next(event for event in theirs if event.name.startswith("take."))
        assert (first.data["project"], first.data["take"], first.data["active"]) == ("other", 1, None)
    assert fnr.request("PUT", "/api/v1/projects/heard/shots/s/active-take", {"take": 99}).status == 404
