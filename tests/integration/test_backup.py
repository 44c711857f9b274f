"""fnr backup and fnr restore: a whole copy of a running system, from which nothing is repeated."""

import json
import os
import re
import shutil
import subprocess
import threading

import pytest

from crash import until
from system import FNR, System
from test_cli import bad, good, lines, run


def backup(server, target, *options):
    return run("backup", target, "--data", server.data, *options)


def restore(source, data, *options):
    return run("restore", source, "--data", data, *options)


def last_event(system, job):
    with system.stream(job["urls"]["events"]) as stream:
        return [event.id for event in stream][-1]


def tree(folder):
    return sorted(os.path.relpath(os.path.join(path, name), folder) for path, _, names in os.walk(folder) for name in names)


@pytest.fixture
def own():
    with System("stop: {grace: 5}\n") as system:
        yield system


def test_a_backup_restored(own, tmp_path):
    """All that the store names is there again; numbers given out after the backup do not come back."""
    large = {"text": "x" * 150, "subtitle": "y" * 200}
    done = own.run("create_title_card", {"text": "One"}, quality="draft", project="p", shot="s", metadata={"note": "z" * 5000})
    upload = own.request("POST", "/api/v1/uploads", b"bytes", headers={"Content-Type": "text/plain", "X-Filename": "a.txt"}).json
    waiting = own.submit("create_title_card", large, not_before="2099-01-01T00:00:00Z", metadata={"note": "w" * 5000})
    own.add_script("mine", "#!/bin/sh\necho {}\n")
    key = own.post("/api/v1/keys", {"name": "k", "scopes": ["read"]}).json["key"]
    text = good(backup(own, tmp_path / "b", "--workspace"))
    assert str(tmp_path / "b") in text and "2 jobs" in text
    assert os.listdir(tmp_path) == ["b"], "nothing else is left beside it"
    assert os.stat(tmp_path / "b").st_mode & 0o777 == 0o700

    later = own.run("create_title_card", {"text": "Two"}, quality="draft", project="p", shot="s")
    other = own.run("create_title_card", {"text": "Two"}, quality="draft", project="p", shot="new")
    assert later["take"] == 2 and other["take"] == 1
    newest = last_event(own, other)

    text = good(restore(tmp_path / "b", tmp_path / "new"))
    assert "fnr serve --data" in text and sorted(os.listdir(tmp_path)) == ["b", "new"]
    assert os.stat(tmp_path / "new").st_mode & 0o777 == 0o700
    assert os.access(tmp_path / "new/templates/mine/script", os.X_OK)
    own.stop()
    with System(data=str(tmp_path / "new")) as again:
        assert again.key == own.key and again.get("/api/v1/jobs", key=key).status == 200
        assert again.get("/api/v1/templates/mine").status == 200
        assert again.get(f"/api/v1/jobs/{done['id']}").json["inputs"] == done["inputs"]
        assert again.get(done["outputs"][0]["url"]).status == 200
        shown = again.get(f"/api/v1/jobs/{waiting['id']}").json
        assert shown["state"] == "scheduled" and shown["inputs"] == waiting["inputs"]
        with open(tmp_path / "new/uploads" / upload["id"], "rb") as file:
            assert file.read() == b"bytes"
        assert again.get(f"/api/v1/jobs/{later['id']}").status == 404
        next_ = again.run("create_title_card", {"text": "Three"}, quality="draft", project="p", shot="s")
        first = again.run("create_title_card", {"text": "Three"}, quality="draft", project="p", shot="new")
        assert next_["take"] > 100000 and first["take"] > 100000
        with again.stream(next_["urls"]["events"]) as stream:
            assert min(event.id for event in stream) > newest
        # who saw the newest event of the lost system is told that some are missing, and sees what is true now
        with again.stream("/api/v1/events", last_id=newest) as stream:
            assert next(iter(stream)).name == "gap"


def test_while_jobs_come_and_go(own, tmp_path):
    """Backups under load are sound, each of them, and hold each job that was accepted before."""
    stop, ids, problems = threading.Event(), [], []

    def load():
        while not stop.is_set():
            answer = own.post("/api/v1/jobs", {"template": "noop", "inputs": {}, "metadata": {"note": "n" * 3000}, "project": "load"})
            if answer.status != 202:
                problems.append(answer.data)
            else:
                ids.append(answer.json["id"])

    threads = [threading.Thread(target=load) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        until(lambda: len(ids) > 30, "nothing is accepted")
        for i in range(4):
            before = list(ids)
            (made,) = lines(good(backup(own, tmp_path / f"b{i}", "--json")))
            assert made["jobs"] >= len(before)
            good(restore(tmp_path / f"b{i}", tmp_path / f"n{i}"))
            text = good(run("check", "--data", tmp_path / f"n{i}"))
            assert "all is well" in text
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert problems == []
    own.stop()
    with System(data=str(tmp_path / "n3")) as again:
        for id in before:
            assert again.wait(id)["state"] == "completed"


def test_running_attempts_begin_again(own, tmp_path):
    own.add_script("slow", "#!/bin/sh\nuntil [ -e \"$FNR_DATA/templates/slow/go\" ]; do sleep 0.1; done\necho x > y\necho '{\"output\":\"file\",\"path\":\"y\"}'\n")
    own.process.send_signal(1)
    until(lambda: own.get("/api/v1/templates/slow").status == 200, "the new template is not loaded")
    id = own.submit("slow", project="p", shot="s")["id"]
    until(lambda: own.get(f"/api/v1/jobs/{id}").json["state"] == "running", "it does not run")
    good(backup(own, tmp_path / "b", "--workspace"))
    good(restore(tmp_path / "b", tmp_path / "n"))
    for data in (own.data, tmp_path / "n"):
        open(os.path.join(data, "templates/slow/go"), "w").close()
    assert own.wait(id)["take"] == 1
    own.stop()
    with System(data=str(tmp_path / "n")) as again:
        job = again.wait(id)
        assert job["state"] == "completed" and job["attempt"] == 2 and job["take"] > 100000, job


def test_of_a_stopped_system_into_one_file(tmp_path):
    (tmp_path / "d").mkdir()
    with System(data=str(tmp_path / "d")) as system:
        id = system.run(project="p")["id"]
        system.stop()
        for name in ("b.tar.gz", "b.tar"):
            good(backup(system, tmp_path / name))
            good(restore(tmp_path / name, tmp_path / ("of-" + name)))
            assert "all is well" in good(run("check", "--data", tmp_path / ("of-" + name)))
        system.start()
        assert system.get(f"/api/v1/jobs/{id}").status == 200
    assert sorted(os.listdir(tmp_path)) == ["b.tar", "b.tar.gz", "d", "of-b.tar", "of-b.tar.gz"]


@pytest.fixture(scope="module")
def made(server, tmp_path_factory):
    """A small backup to spoil copies of."""
    folder = tmp_path_factory.mktemp("backup") / "b"
    server.run("create_title_card", {"text": "One"}, quality="draft", project="p", shot="s")
    good(backup(server, folder))
    return folder


def test_what_is_in_it(made):
    found = tree(made)
    assert {"manifest", "admin.key", "store/data.mdb"} <= set(found), found
    assert not [path for path in found if path.startswith(("run/", "journal/", "workspace/")) or path.endswith("lock.mdb")], found
    with open(made / "manifest") as file:
        entries = [json.loads(line) for line in file]
    assert entries[0]["format"] == 1 and entries[0]["schema"] >= 3 and entries[-1]["end"]
    assert sorted(entry["path"] for entry in entries[1:-1]) == [path for path in found if path != "manifest"]


def test_refused_places(server, made, tmp_path):
    bad(backup(server, made), "already")
    bad(backup(server, os.path.join(server.data, "b")), "within")
    bad(backup(server, tmp_path / "absent" / "b"), "absent")
    bad(run("backup", tmp_path / "b", "--data", os.path.dirname(made)), "no data directory")
    bad(run("backup", tmp_path / "b", "--data", tmp_path / "absent"), "no data directory")
    bad(restore(made, server.data), "a system runs in")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").write_text("")
    bad(restore(made, tmp_path / "full"), "not empty")
    bad(restore(tmp_path / "absent", tmp_path / "n"), "absent")
    bad(restore(tmp_path / "full", tmp_path / "n"), "manifest")
    (tmp_path / "b.tar").write_text("no archive")
    bad(restore(tmp_path / "b.tar", tmp_path / "n"), "tar")
    assert sorted(os.listdir(tmp_path)) == ["b.tar", "full"], "what failed leaves nothing"
    (tmp_path / "empty").mkdir()
    good(restore(made, tmp_path / "empty"))


def flip(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def lines_changed(change):
    def spoil(folder):
        text = (folder / "manifest").read_text().splitlines(keepends=True)
        (folder / "manifest").write_text("".join(change(text)))
    return spoil


@pytest.mark.parametrize("spoil, word", [
    (lambda folder: flip(folder / "store/data.mdb"), "store/data.mdb"),
    (lambda folder: os.truncate(folder / "store/data.mdb", 8192), "store/data.mdb"),
    (lambda folder: os.remove(folder / "admin.key"), "admin.key"),
    (lambda folder: (os.remove(folder / "admin.key"), os.symlink("/etc/hostname", folder / "admin.key")), "symbolic"),
    (lines_changed(lambda text: text[:-1]), "cut off"),
    (lines_changed(lambda text: text[:-2] + text[-1:]), "does not fit"),
    (lines_changed(lambda text: [text[0], *text[2:]]), "does not fit"),
    (lines_changed(lambda text: [text[0], re.sub('"path":"[^"]*"', '"path":"../../x"', text[1]), *text[2:]]), "line 2"),
    (lines_changed(lambda text: [text[0], re.sub('"path":"[^"]*"', '"path":"/etc/x"', text[1]), *text[2:]]), "line 2"),
    (lines_changed(lambda text: ['{"format":2}\n', *text[1:]]), "newer"),
    (lines_changed(lambda text: [re.sub('"schema":[0-9]+', '"schema":99', text[0]), *text[1:]]), "does not fit"),
    (lines_changed(lambda text: ["nonsense\n"]), "line 1"),
    (lines_changed(lambda text: []), "cut off"),
])
def test_damaged(made, tmp_path, spoil, word):
    """Nothing is restored from a backup that is not what it was."""
    shutil.copytree(made, tmp_path / "b")
    spoil(tmp_path / "b")
    bad(restore(tmp_path / "b", tmp_path / "n"), word)
    assert os.listdir(tmp_path) == ["b"]


def test_a_damaged_store_gives_no_backup(tmp_path):
    (tmp_path / "d").mkdir()
    with System(data=str(tmp_path / "d")) as system:
        system.submit(metadata={"note": "n" * 5000}, not_before="2099-01-01T00:00:00Z")
        system.stop()
        (payload,) = os.listdir(tmp_path / "d/blobs/payload")
        os.rename(tmp_path / "d/blobs/payload" / payload, tmp_path / "kept")
        bad(backup(system, tmp_path / "b"), "fnr check")
        assert not [name for name in os.listdir(tmp_path) if name.startswith("b")]
        os.rename(tmp_path / "kept", tmp_path / "d/blobs/payload" / payload)
        system.start()


def test_interrupted(server, tmp_path):
    """Ctrl-C leaves nothing behind."""
    os.makedirs(os.path.join(server.data, "scripts"), exist_ok=True)
    path = os.path.join(server.data, "scripts", "large")
    with open(path, "wb") as file:
        file.truncate(3 << 30)
    try:
        process = subprocess.Popen([FNR, "backup", tmp_path / "b", "--data", server.data], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        until(lambda: any(os.path.exists(tmp_path / name / "scripts") for name in os.listdir(tmp_path)), "it does not begin")
        process.terminate()
        out, err = process.communicate(timeout=240)
        assert process.returncode == 130 and out == "" and "interrupted" in err, (process.returncode, out, err)
        assert os.listdir(tmp_path) == []
    finally:
        os.remove(path)
