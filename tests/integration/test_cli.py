"""The command line: every command against a running system, and those that need none."""

import json
import os
import pty
import re
import signal
import subprocess

import pytest

from crash import until
from system import FNR, System, made

PLAIN = {name: value for name, value in os.environ.items() if not name.startswith("FNR_") and name not in ("NO_COLOR", "TERM")}


def run(*arguments, input=None, environment=None, timeout=240):
    return subprocess.run([FNR, *map(str, arguments)], capture_output=True, text=True, timeout=timeout, input=input if input is not None else "",
                          env={**PLAIN, **(environment or {})})


@pytest.fixture
def fnr(server):
    def call(*arguments, **options):
        return run(*arguments, "--data", server.data, **options)
    return call


def good(result):
    assert result.returncode == 0, result
    return result.stdout


def bad(result, *words, status=1):
    """It failed, said so on standard error with the words, and printed nothing else."""
    assert result.returncode == status and result.stdout == "", result
    for word in words:
        assert str(word) in result.stderr, (word, result)
    return result.stderr


def lines(text):
    return [json.loads(line) for line in text.splitlines()]


# ---- job ----


def test_job_list_pages_and_filters(server, fnr):
    ids = [server.run(project="pages", shot="a" if i % 2 else "b")["id"] for i in range(6)]
    listed = [job["id"] for job in lines(good(fnr("job", "list", "--project", "pages", "--json")))]
    assert sorted(listed) == sorted(ids)
    assert len(lines(good(fnr("job", "list", "--limit", "4", "--json")))) == 4
    assert len(lines(good(fnr("job", "list", "--project", "pages", "--shot", "a", "--json")))) == 3
    bad(fnr("job", "list", "--state", "compleated"), "state")


def test_job_result_and_get(server, fnr, tmp_path):
    job = server.run("create_title_card", {"text": "Fetched"}, quality="draft", project="get", shot="s1")
    assert "title_card.png" in good(fnr("job", "result", job["id"]))
    assert made(lines(good(fnr("job", "result", job["id"], "--json")))[0]) == made(job)
    with open(os.path.join(server.data, "workspace", job["outputs"][0]["path"]), "rb") as file:
        picture = file.read()
    good(fnr("job", "get", job["id"], "-o", tmp_path))
    assert (tmp_path / "title_card.png").read_bytes() == picture
    assert os.listdir(tmp_path) == ["title_card.png"], "nothing else is left"
    bad(fnr("job", "get", job["id"], "-o", tmp_path), "--force", tmp_path)
    good(fnr("job", "get", job["id"], "image", "-o", tmp_path / "card.png"))
    assert (tmp_path / "card.png").read_bytes() == picture
    (tmp_path / "card.png").write_bytes(b"old")
    good(fnr("job", "get", job["id"], "image", "-o", tmp_path / "card.png", "--force"))
    assert (tmp_path / "card.png").read_bytes() == picture
    bad(fnr("job", "get", job["id"], "sound", "-o", tmp_path), "image")
    raw = subprocess.run([FNR, "job", "get", job["id"], "-o", "-", "--data", server.data], capture_output=True, timeout=240, env=PLAIN)
    assert raw.returncode == 0 and raw.stdout == picture
    bad(fnr("job", "get", job["id"], "-o", tmp_path / "absent" / "x.png"), "absent")


def test_job_get_before_its_end(server, fnr):
    id = server.submit(metadata={"noop": {"sleep_ms": 60000}}, not_before="2099-01-01T00:00:00Z")["id"]
    bad(fnr("job", "get", id), id)
    bad(fnr("job", "result", id), id)
    good(fnr("job", "cancel", id))
    server.wait(id)


def test_job_retry_and_delete(server, fnr):
    done = server.run(seed=7)
    (again,) = lines(good(fnr("job", "retry", done["id"], "--json")))
    assert again["retry_of"] == done["id"] and again["seed"] == 7
    assert lines(good(fnr("job", "retry", done["id"], "--seed", "9", "-q", "high", "--json")))[0]["seed"] == 9
    assert lines(good(fnr("job", "retry", done["id"], "--new-seed", "--json")))[0]["seed"] not in (7, 9)
    assert "takes stay" in good(fnr("job", "delete", done["id"]))
    assert server.get(f"/api/v1/jobs/{done['id']}").status == 404
    waiting = server.submit(not_before="2099-01-01T00:00:00Z")["id"]
    bad(fnr("job", "retry", waiting), waiting)
    bad(fnr("job", "delete", waiting), waiting)
    good(fnr("job", "cancel", waiting))
    server.wait(waiting)
    bad(fnr("job", "retry", "nonsense"), "fnr: ")
    bad(fnr("job", "delete"), "ID", status=2)


def test_what_keeps_a_job_from_running_is_said(server, fnr):
    result = fnr("run", "text_to_image", "-i", "prompt=a cat", "--no-wait")
    assert result.returncode == 0 and "fnr backend add" in result.stderr, result.stderr
    id = result.stdout.split()[1]
    assert server.post(f"/api/v1/jobs/{id}/cancel").status == 202
    server.wait(id)
    assert fnr("run", "noop", "--no-wait").stderr == ""


def test_job_cancel_by_filter(server, fnr):
    ids = [server.submit(not_before="2099-01-01T00:00:00Z", project=project)["id"] for project in ("keep", "drop", "drop")]
    bad(fnr("job", "cancel"), "--mine", status=2)
    assert "2 jobs are being cancelled" in good(fnr("job", "cancel", "--project", "drop"))
    assert [server.wait(id)["state"] for id in ids[1:]] == ["cancelled"] * 2
    assert server.get(f"/api/v1/jobs/{ids[0]}").json["state"] == "scheduled"
    assert lines(good(fnr("job", "cancel", "--mine", "--state", "scheduled", "--json"))) == [{"found": 1}]
    assert server.wait(ids[0])["state"] == "cancelled"


def test_variations(server, fnr):
    said = good(fnr("run", "noop", "--count", "3"))
    batch = said.split("Batch ")[1].split()[0]
    jobs = server.get(f"/api/v1/batches/{batch}").json["jobs"]
    assert len({server.get(f"/api/v1/jobs/{id}").json["seed"] for id in jobs}) == 3
    assert "completed" in said


# ---- batch ----


BATCH_YAML = "defaults: {template: noop, inputs: {}, project: batches}\njobs:\n- {shot: a}\n- {shot: b}\n- {shot: c}\n"


def test_batch(server, fnr, tmp_path):
    (tmp_path / "batch.yaml").write_text(BATCH_YAML)
    (made,) = lines(good(fnr("batch", "submit", tmp_path / "batch.yaml", "--json")))
    assert made["total"] == 3
    assert "100%" in good(fnr("batch", "watch", made["id"]))
    shown = good(fnr("batch", "show", made["id"]))
    assert "completed 3" in shown and made["id"] in shown
    assert lines(good(fnr("batch", "show", made["id"], "--json")))[0]["state"] == "completed"
    bad(fnr("batch", "cancel", made["id"]), "finished")
    assert lines(good(fnr("batch", "watch", made["id"], "--json")))[-1]["state"] == "completed"


def test_batch_from_standard_input(fnr):
    text = good(fnr("batch", "submit", "-", "--wait", input='{"jobs":[{"template":"noop","inputs":{}},{"template":"noop","inputs":{}}]}'))
    assert "2 jobs" in text and "completed 2" in text
    assert "1 jobs" in good(fnr("batch", "submit", "-", input='[{"template":"noop","inputs":{}}]'))
    assert "3 jobs" in good(fnr("batch", "submit", "-", input=BATCH_YAML))
    failed = fnr("batch", "submit", "-", "--wait", input='[{"template":"noop","inputs":{},"metadata":{"noop":{"fail":"permanent"}}}]')
    assert failed.returncode == 1 and "failed 1" in failed.stdout and "not all" in failed.stderr, failed


def test_batch_problems(fnr, tmp_path):
    bad(fnr("batch", "submit", "-", input='{"jobs":[{"template":"nop"}]}'), "noop")
    bad(fnr("batch", "submit", "-", input=""), "empty")
    bad(fnr("batch", "submit", "-", input='{"jobs":['), "line")
    bad(fnr("batch", "submit", tmp_path / "absent.yaml"), "absent.yaml")
    bad(fnr("batch", "show", "nonsense"), "nonsense")
    bad(fnr("batch", "watch", "nonsense"), "nonsense")


# ---- take ----


def test_takes(server, fnr, tmp_path):
    for _ in range(2):
        server.run("create_title_card", {"text": "T"}, quality="draft", project="takes", shot="s1")
    assert "takes/s1  2 takes, active 2" in good(fnr("take", "list", "takes"))
    assert [item["name"] for item in lines(good(fnr("take", "list", "takes", "--json")))] == ["takes"]
    assert "takes/s1" in good(fnr("take", "list"))
    assert re.search(r"^\*    2 ", good(fnr("take", "list", "takes", "s1")), re.M)
    assert [take["take"] for take in lines(good(fnr("take", "list", "takes", "s1", "--json")))] == [1, 2]
    assert "title_card.png" in good(fnr("take", "show", "takes", "s1", "2"))
    good(fnr("take", "get", "takes", "s1", "1", "-o", tmp_path))
    with open(os.path.join(server.data, "workspace/takes/s1/take_001/title_card.png"), "rb") as file:
        assert (tmp_path / "title_card.png").read_bytes() == file.read()
    bad(fnr("take", "list", "absent"), "no such project")
    bad(fnr("take", "show", "takes", "s1", "9"), "9")
    bad(fnr("take", "show", "takes"), "PROJECT SHOT TAKE", status=2)


# ---- template, preset, key, upload ----


def test_templates(fnr):
    assert "create_title_card" in good(fnr("template", "list"))
    assert [item["id"] for item in lines(good(fnr("template", "list", "--search", "title", "--json")))] == ["create_title_card"]
    shown = good(fnr("template", "show", "create_title_card"))
    assert "-i text=string (required)" in shown and "image: image" in shown
    bad(fnr("template", "show", "create_title_crd"), "create_title_card")


def test_template_validate(tmp_path):
    """By the loader's own code, without a server; every problem with its place and remedy."""
    (tmp_path / "script").write_text("#!/bin/sh\n")
    (tmp_path / "script").chmod(0o755)
    template = {"id": "x", "version": "1.0.0", "name": "X", "description": "d", "category": "generic", "inputs": {}, "outputs": {"o": {"type": "file"}},
                "backend": {"type": "script", "command": ["script"]}}
    (tmp_path / "good.json").write_text(json.dumps(template))
    assert "x 1.0.0 is valid" in good(run("template", "validate", tmp_path / "good.json"))
    (tmp_path / "bad.json").write_text(json.dumps({**template, "categry": "image", "inputs": {"n": {"type": "integr"}}, "version": "1"}))
    result = run("template", "validate", tmp_path / "bad.json")
    text = bad(result, "/categry", "/inputs/n/type", "/version")
    assert "category" in text and "integer" in text
    (report,) = lines(run("template", "validate", tmp_path / "bad.json", "--json").stdout)
    assert not report["valid"] and {"/categry", "/inputs/n/type", "/version"} <= {entry["pointer"] for entry in report["errors"]}, report
    mixed = run("template", "validate", tmp_path / "good.json", tmp_path / "bad.json", "--json")
    assert mixed.returncode == 1 and [item["valid"] for item in lines(mixed.stdout)] == [True, False]
    (tmp_path / "broken.yaml").write_text("id: [\n")
    bad(run("template", "validate", tmp_path / "broken.yaml"), "broken.yaml")
    bad(run("template", "validate", tmp_path / "absent.yaml"), "absent.yaml")


def test_template_validate_of_standard_input(tmp_path):
    """JSON or YAML, by how it begins; files and parents lie in the current folder."""
    def piped(text, *options):
        return subprocess.run([FNR, "template", "validate", "-", *options], input=text, capture_output=True, text=True, timeout=120, env=PLAIN, cwd=tmp_path)

    assert "standard input: greet 1.0.0 is valid" in good(piped(TEMPLATE))
    text = bad(piped(TEMPLATE.replace("default: Hello", "default: too long")))
    assert "standard input:6:40: error:" in text and "     6 |   words: {type: string" in text, text
    assert "standard input:2:" in bad(piped("id: greet\nversion 1\n"))
    flat = {"id": "flat", "version": "1.0.0", "name": "Flat", "category": "text", "backend": {"type": "noop"}}
    assert "flat 1.0.0 is valid" in good(piped("\n " + json.dumps(flat)))
    text = bad(piped(json.dumps({**flat, "category": "txt"}, indent=1)))
    assert "standard input:5:" in text, text
    assert "standard input:2:12: error: " in bad(piped('{"id": "flat",\n "version" "1.0.0"\n}\n'), 'write "name": value'), "it is told as of what it looks like"
    assert "flat 1.0.0 is valid" in good(piped("{id: flat, version: 1.0.0, name: Flat, category: text, backend: {type: noop}}")), "YAML in braces"
    bad(piped(""), "standard input:1:")
    (report,) = lines(piped("id: [", "--json").stdout)
    assert report["file"] == "standard input" and report["errors"][0]["line"] >= 1, report
    (tmp_path / "parent.yaml").write_text(TEMPLATE)
    assert "child 1.0.0 is valid" in good(piped("id: child\nversion: 1.0.0\nextends: greet@1\n"))
    bad(piped(TEMPLATE, "--watch"), "comes once")


def test_template_validate_looks_for_the_class(tmp_path):
    """It is not run: what may be there is not doubted, and what seems not to be there is no error."""
    (tmp_path / "x.yaml").write_text("id: x\nversion: 1.0.0\nname: X\ncategory: text\nbackend:\n  type: script\n  python: x.py\n  class: MakeIt\n")
    (tmp_path / "x.py").write_text("from helpers import *\nraise SystemExit('it was run')\n")
    assert "has no class" not in good(run("template", "validate", tmp_path / "x.yaml"))
    (tmp_path / "x.py").write_text("raise SystemExit('it was run')\n\nclass Makeit:\n    pass\n")
    told = good(run("template", "validate", tmp_path / "x.yaml"))
    assert "x.yaml:8:" in told and "'x.py' has no class 'MakeIt'" in told and "class: Makeit" in told, told


TEMPLATE = """id: greet
version: 1.0.0
name: Greet            # a comment that stays
category: text
inputs:
  words: {type: string, max_length: 5, default: Hello}
backend: {type: noop}
"""


def test_template_new(tmp_path):
    good(run("template", "new", "make_it", "--name", "Make It: All", "--input", "text:string", "-i", "picture:file", "-o", "note:text", "--file", tmp_path / "make_it.yaml"))
    assert "make_it 1.0.0 is valid" in good(run("template", "validate", tmp_path / "make_it.yaml"))
    assert "class MakeIt:" in (tmp_path / "make_it.py").read_text()
    bad(run("template", "new", "make_it", "--file", tmp_path / "make_it.yaml"), "there already")
    assert "plain 1.0.0 is valid" in good(run("template", "new", "plain", "--backend", "noop", "--file", tmp_path / "plain.yaml"))
    bad(run("template", "new", "Not a name", "--file", tmp_path / "x.yaml"), "letters")
    bad(run("template", "new", "x", "--backend", "comfyui", "--file", tmp_path / "x.yaml"), "import-comfyui")
    bad(run("template", "new", "x", "--input", "a b:string", "--file", tmp_path / "x.yaml"), "text:string")
    for options in (["--category", "smell"], ["-i", "a:strang"], ["-i", "a:string", "-i", "a:integer"], ["-o", "a:strang"]):
        bad(run("template", "new", "x", *options, "--file", tmp_path / "x.yaml"), "x")
    bad(run("template", "new", "BigName", "--file", tmp_path / "x.yaml"), "lower case")
    bad(run("template", "new", "name", "--file", tmp_path / "x.txt"), ".yaml")
    assert not (tmp_path / "x.yaml").exists() and not (tmp_path / "x.py").exists(), "what is not valid is not written"
    every = [f"{type}:{type}" for type in ("string", "integer", "number", "boolean", "file", "array", "object", "any")]
    made = good(run("template", "new", "every", *(word for one in every for word in ("-i", one)), "--file", tmp_path / "in" / "folders" / "every.yaml"))
    assert "every 1.0.0 is valid" in made and "warning" not in made


def test_template_new_asks(tmp_path):
    """On a terminal, for what no option says, and again for what cannot be."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(tmp_path)
        os.execve(FNR, [FNR, "template", "new", "--name", "Asked For"], PLAIN)
    answers = [("id,", "Not An Id"), ("id,", "asked"), ("what it makes", "Something"), ("category", "smell"), ("category", "text"), ("backend", "comfyui"), ("backend", ""),
               ("inputs", "text:strng"), ("inputs", "te!xt:string"), ("inputs", "text:string times:integer"), ("outputs", "note:picture"), ("outputs", "note:text")]
    said = ""
    for question, answer in answers:
        while f"{question}" not in said or not said.endswith("]: "):
            said += os.read(terminal, 4096).decode()
        os.write(terminal, answer.encode() + b"\n")
        said = ""
    try:
        while True:
            said += os.read(terminal, 4096).decode()
            assert said
    except OSError:         # it has ended
        pass
    os.close(terminal)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0 and "asked 1.0.0 is valid" in said
    text = (tmp_path / "asked.yaml").read_text()
    for part in ("id: asked\n", 'name: "Asked For"', "category: text", "times: {type: integer", "note: {type: text", "python: asked.py"):
        assert part in text, (part, text)


def test_template_new_may_be_left(tmp_path):
    """The end of the input is no answer: nothing is made of what was not said."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(tmp_path)
        os.execve(FNR, [FNR, "template", "new", "left"], PLAIN)
    said = ""
    while not said.endswith("]: "):
        said += os.read(terminal, 4096).decode()
    os.write(terminal, b"\x04")
    try:
        while os.read(terminal, 4096):
            pass
    except OSError:         # it has ended
        pass
    os.close(terminal)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 1 and not any(tmp_path.iterdir())


def test_templates_that_extend_and_their_reports(tmp_path):
    """The place that is named is in the file that has it, whichever that is."""
    (tmp_path / "parent.yaml").write_text(TEMPLATE.replace("default: Hello", "default: too long"))
    (tmp_path / "child.yaml").write_text("id: child\nversion: 1.0.0\nextends: greet@1\nname: Child\n")
    text = bad(run("template", "validate", tmp_path / "child.yaml"), "/inputs/words/default")
    assert f"{tmp_path}/parent.yaml:6:40: error:" in text and "     6 |   words: {type: string, max_length: 5, default: too long}" in text, text
    assert "       | " + " " * 39 + "^" in text
    assert f"it is inherited: mend it there, or say it anew in {tmp_path}/child.yaml" in text
    (tmp_path / "child.yaml").write_text("id: child\nversion: 1.0.0\nextends: greet@1\ninputs: {words: {default: Bye}}\n")
    assert "child 1.0.0 is valid" in good(run("template", "validate", tmp_path / "child.yaml"))
    (tmp_path / "parent.yaml").write_text(TEMPLATE.replace("version: 1.0.0", "version: 1.0.0\nextends: child"))
    bad(run("template", "validate", tmp_path / "child.yaml"), "extends itself", "child@1.0.0")
    (tmp_path / "child.yaml").write_text("id: child\nversion: 1.0.0\nextends: gret@1\n")
    bad(run("template", "validate", tmp_path / "child.yaml"), "gret@1")
    page = run("template", "validate", tmp_path / "child.yaml", "--html")
    assert page.returncode == 1 and page.stdout.startswith("<!doctype html>") and "gret@1" in page.stdout


def test_template_validate_watches(tmp_path):
    (tmp_path / "t.yaml").write_text(TEMPLATE)
    process = subprocess.Popen([FNR, "template", "validate", "--watch", "--json", tmp_path / "t.yaml"], stdout=subprocess.PIPE, text=True, env=PLAIN)
    try:
        assert json.loads(process.stdout.readline())["valid"] is True
        (tmp_path / "t.yaml").write_text(TEMPLATE.replace("category: text", "category: words"))
        while json.loads(process.stdout.readline())["valid"]:
            pass
        (tmp_path / "t.yaml").write_text(TEMPLATE)
        while not json.loads(process.stdout.readline())["valid"]:
            pass
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def test_template_register_of_standard_input(fnr):
    def piped(text, *options):
        return fnr("template", "register", "-", *options, input=text)

    assert "piped 1.0.0 is in force" in good(piped(TEMPLATE.replace("id: greet", "id: piped")))
    bad(piped(TEMPLATE.replace("id: greet", "id: piped")), "--replace")
    flat = {"id": "piped", "version": "1.0.0", "name": "Flat", "category": "text", "backend": {"type": "noop"}}
    assert "piped 1.0.0 is in force" in good(piped(json.dumps(flat), "--replace"))
    assert json.loads(good(fnr("template", "export", "piped", "--json"))) == flat
    bad(piped("id: [\n"), "standard input:")
    good(fnr("template", "delete", "piped@1.0.0"))


def test_template_register_to_delete(fnr, tmp_path):
    (tmp_path / "greet.yaml").write_text(TEMPLATE)
    assert "greet 1.0.0 is in force" in good(fnr("template", "register", tmp_path / "greet.yaml"))
    bad(fnr("template", "register", tmp_path / "greet.yaml"), "already", "--replace")
    assert good(fnr("template", "export", "greet")) == TEMPLATE
    assert json.loads(good(fnr("template", "export", "greet@1", "--json")))["name"] == "Greet"
    assert good(fnr("template", "diff", tmp_path / "greet.yaml")) == ""
    (tmp_path / "greet.yaml").write_text(TEMPLATE.replace("Hello", "Bye").replace("backend:", "tags: [kind]\nbackend:"))
    result = fnr("template", "diff", "greet", tmp_path / "greet.yaml")
    assert result.returncode == 1 and sorted(result.stdout.splitlines()) == ['+ /inputs/words/default: "Bye"', '+ /tags: ["kind"]', '- /inputs/words/default: "Hello"']
    bad(fnr("template", "diff", "nobody", tmp_path / "greet.yaml"), "nobody", status=2)
    bad(fnr("template", "diff", tmp_path / "nothing.yaml"), "nothing.yaml", status=2)
    good(fnr("template", "register", "--replace", tmp_path / "greet.yaml"))
    assert good(fnr("template", "diff", tmp_path / "greet.yaml")) == ""
    (tmp_path / "greet.yaml").write_text(TEMPLATE.replace("1.0.0", "1.1.0").replace("type: noop", "type: no"))
    bad(fnr("template", "register", tmp_path / "greet.yaml"), "backend/type")
    (tmp_path / "greet.yaml").write_text(TEMPLATE.replace("1.0.0", "1.1.0"))
    good(fnr("template", "register", "--replace", tmp_path / "greet.yaml"))
    assert "deprecated" in good(fnr("template", "deprecate", "greet@1.0.0", "--sunset", "2099-01-01T00:00:00Z", "--successor", "greet@1.1.0"))
    shown = fnr("template", "show", "greet@1.0.0")
    assert "2099-01-01" in good(shown) and "deprecated; it goes on Thu, 01 Jan 2099 00:00:00 GMT; use greet@1.1.0" in shown.stderr
    ran = fnr("run", "greet@1.0.0")
    assert ran.returncode == 0 and "deprecated" in ran.stderr
    assert "not deprecated" in good(fnr("template", "deprecate", "greet@1.0.0", "--undo"))
    bad(fnr("template", "deprecate", "greet@1.0.0", "--sunset", "soon"), "sunset")
    bad(fnr("template", "delete", "greet"), "like greet@1.0.0")
    bad(fnr("template", "delete", "greet@1"), "like greet@1.0.0")
    bad(fnr("template", "deprecate", "greet@1.0.0", "--sunset", "2001-01-01T00:00:00Z"), "sunset", "to come")
    bad(fnr("template", "delete", "noop@1.0.0"), "shipped/noop/noop.yaml")
    for version in ("1.0.0", "1.1.0"):
        good(fnr("template", "delete", f"greet@{version}"))
    bad(fnr("template", "export", "greet"), "greet")


def test_presets(fnr):
    text = good(fnr("preset", "list"))
    assert text.index("draft") < text.index("standard") < text.index("high") < text.index("ultra")
    assert lines(good(fnr("preset", "show", "draft", "--json")))[0]["id"] == "draft"
    bad(fnr("preset", "show", "extreme"), "ultra")


def test_presets_of_ones_own(fnr, tmp_path):
    assert "wall" in good(fnr("preset", "create", "Wall", "--base", "high", "--set", "image.steps=33", "--set", "create_title_card.height=500", "--shared"))
    assert "from wall" in good(fnr("preset", "derive", "wall", "Small wall", "--id", "small", "-s", "create_title_card.height=null", "--description", "d"))
    (shown,) = lines(good(fnr("preset", "show", "small", "--json")))
    assert shown["parameters"] == {"create_title_card": {"height": None}} and shown["tier"] == "high" and shown["description"] == "d"
    good(fnr("preset", "edit", "wall", "--set", "image.steps=34", "--unshared", "--name", "Wall 2"))
    (shown,) = lines(good(fnr("preset", "show", "wall", "--json")))
    assert (shown["version"], shown["name"], shown["shared"]) == (2, "Wall 2", False) and shown["parameters"]["image"]["steps"] == 34
    assert "small" in good(fnr("preset", "list"))
    text = good(fnr("preset", "resolve", "wall", "create_title_card", "-i", "text=Act One"))
    assert "500" in text and "preset" in text and "input" in text and "about" in text
    assert "ultra" in good(fnr("preset", "compare", "create_title_card")) and "wall" in good(fnr("preset", "compare", "create_title_card", "--presets", "wall,draft"))
    assert good(fnr("preset", "recommend", "create_title_card", "--use", "preview")).startswith("draft:")
    (answer,) = lines(good(fnr("preset", "recommend", "create_title_card", "--max-seconds", "0.001", "--max-cost", "1", "--vram", "1000", "--json")))
    assert answer["fits"] is False
    good(fnr("preset", "export", "wall", "--yaml", "-o", tmp_path / "wall.yaml"))
    bad(fnr("preset", "import", tmp_path / "wall.yaml"), "wall")
    assert "wall_2" in good(fnr("preset", "import", tmp_path / "wall.yaml", "--conflict", "rename"))
    assert json.loads(good(fnr("preset", "export", "wall")))["presets"][0]["id"] == "wall"
    (tmp_path / "more.yaml").write_text("parameters: {image: {steps: 3}}\nlevel: 9\n")
    good(fnr("preset", "create", "More", "--file", tmp_path / "more.yaml"))
    (shown,) = lines(good(fnr("preset", "show", "more", "--json")))
    assert shown["level"] == 9 and shown["base"] == "standard"
    bad(fnr("preset", "create", "x", "--set", "steps=3"), "PART.NAME=VALUE", status=2)
    bad(fnr("preset", "edit", "draft", "--name", "x"), "built in")
    bad(fnr("preset", "import", tmp_path / "absent.yaml"), "absent.yaml")
    good(fnr("preset", "delete", "wall", "small", "wall_2", "more"))
    bad(fnr("preset", "delete", "wall"), "wall")


def test_keys(server, fnr):
    result = fnr("key", "create", "for a page", "--scope", "read,submit", "--project", "demo")
    key = good(result).strip()
    assert re.fullmatch(r"fnr_\S+", key) and "once" in result.stderr
    assert good(run("job", "list", "--url", f"http://127.0.0.1:{server.port}", environment={"FNR_KEY": key})) == ""
    bad(run("key", "list", "--url", f"http://127.0.0.1:{server.port}", environment={"FNR_KEY": key}), "fnr: ")
    (made,) = [item for item in lines(good(fnr("key", "list", "--json"))) if item["name"] == "for a page"]
    assert made["scopes"] == ["read", "submit"] and made["projects"] == ["demo"]
    assert key not in good(fnr("key", "list"))
    assert made["id"] in good(fnr("key", "delete", made["id"]))
    bad(run("job", "list", "--url", f"http://127.0.0.1:{server.port}", environment={"FNR_KEY": key}), "key")
    bad(fnr("key", "delete", made["id"]), made["id"])
    bad(fnr("key", "create", "x"), "--scope", status=2)
    bad(fnr("key", "create", "x", "--scope", "write"), "read, submit")


def test_upload_and_inputs(server, fnr, tmp_path):
    (tmp_path / "a.txt").write_text("some text")
    (made,) = lines(good(fnr("upload", tmp_path / "a.txt", "--json")))
    assert made["bytes"] == 9
    assert re.match(r"upload:[0-9a-f-]{36}  ", good(fnr("upload", tmp_path / "a.txt")))
    bad(fnr("upload", tmp_path / "absent"), "absent")
    bad(fnr("upload", tmp_path), "folder")
    script = "#!/bin/sh\ncat > request\necho '{\"output\":\"file\",\"path\":\"request\"}'\n"
    server.add_script("taker", script, inputs={"f": {"type": "file"}, "o": {"type": "object"}, "n": {"type": "integer"}, "t": {"type": "string"}})
    server.process.send_signal(signal.SIGHUP)
    until(lambda: server.get("/api/v1/templates/taker").status == 200, "the new template is not loaded")
    out = good(fnr("run", "taker", "-i", f"f=@{tmp_path}/a.txt", "-i", 'o:={"a":[1,2]}', "-i", "n:=7", "-i", 't:="=x"', "--json"))
    job = lines(out)[-1]
    assert job["inputs"]["o"] == {"a": [1, 2]} and job["inputs"]["n"] == 7 and job["inputs"]["t"] == "=x", job
    assert job["inputs"]["f"].startswith("upload:"), job
    bad(fnr("run", "taker", "-i", "n:=seven"), "n", "JSON")
    (tmp_path / "o.json").write_text(json.dumps({"a": "x" * 200000}))        # more than fits into an argument
    for given in ("o=@", "o:=@"):
        out = good(fnr("run", "taker", "-i", f"f=@{tmp_path}/a.txt", "-i", f"{given}{tmp_path}/o.json", "-i", "n=7", "-i", "t=x", "--json"))
        assert lines(out)[-1]["inputs"]["o"] == {"a": "x" * 200000}
    bad(fnr("run", "taker", "-i", f"o:=@{tmp_path}/absent"), "o", "absent")
    bad(fnr("run", "taker", "-i", f"o=@{tmp_path}/a.txt"), "o", "JSON")


# ---- what is common to all ----


@pytest.mark.parametrize("arguments, word", [
    (("jbo",), "job"), (("batch", "sumbit", "x"), "submit"), (("take", "lst"), "list"), (("template", "valdate", "x"), "validate"),
    (("key", "creat", "x"), "create"), (("key", "create", "x", "--scop", "read"), "--scope"), (("preset", "shw", "x"), "show"),
    (("job", "list", "--projct", "x"), "--project"), (("check", "--jsn"), "--json"),
])
def test_the_nearest_is_named(arguments, word):
    bad(run(*arguments), f"did you mean '{word}'", status=2)


def test_wrong_use():
    for arguments in (("job",), ("batch",), ("take", "show", "a"), ("template", "validate"), ("upload",), ("job", "list", "x"), ("key", "create"),
                      ("job", "list", "--json=1"), ("job", "list", "--limit", "0"), ("preset", "show", "a", "b"), ("check", "x")):
        bad(run(*arguments), "usage: fnr", status=2)


def test_no_colours_but_on_a_terminal(server, fnr):
    server.run()
    assert "\x1b" not in good(fnr("job", "list", environment={"TERM": "xterm"}))
    command = [FNR, "job", "list", "--data", server.data]
    assert "\x1b[32m" in on_terminal(command, TERM="xterm")
    assert "\x1b" not in on_terminal(command, TERM="xterm", NO_COLOR="1")
    assert "\x1b" not in on_terminal(command, TERM="dumb")


def on_terminal(command, **environment):
    import pty
    pid, fd = pty.fork()
    if pid == 0:
        os.execve(command[0], command, {**PLAIN, **environment})
    text = b""
    while True:
        try:
            piece = os.read(fd, 4096)
        except OSError:
            break
        if not piece:
            break
        text += piece
    os.close(fd)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0, text
    return text.decode()


def test_json_of_check_and_config(fnr):
    (report,) = lines(good(fnr("check", "--json")))
    assert report["sound"] and report["problems"] == []
    keys = lines(good(run("config", "--json")))
    assert {"key": "api.handlers", "type": "integer", "default": 64, "least": 1, "most": 256, "unit": "processes",
            "help": "FastCGI handlers of fnr-api"} in keys


def test_nobody_answers(tmp_path):
    for arguments in (("job", "list"), ("batch", "show", "x"), ("take", "list"), ("template", "list"), ("key", "list"), ("job", "get", "x")):
        bad(run(*arguments, "--url", "http://127.0.0.1:9"), "fnr serve", "--url")
