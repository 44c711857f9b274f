"""Templates as files: what is added, changed and taken away while the system runs, whatever way it is written."""

import glob
import json
import os
import re
import shutil
import threading
import time

import pytest

from comfyui import Comfyui
from system import ROOT, System, write_whole


@pytest.fixture(scope="module")
def fnr():
    with System() as system:
        yield system


def until(condition, what, seconds=120):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.02)


def folder(fnr, *names):
    return os.path.join(fnr.data, "templates", *names)


def text(id, version="1.0.0", name="X", more=""):
    return f"id: {id}\nversion: {version}\nname: {name}\ncategory: text\nbackend: {{type: noop}}\n{more}"


def write(path, content):
    """At once; what else editors do, the tests of that do."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    write_whole(path, content)


def there(fnr, reference):
    id, _, version = reference.partition("@")
    return fnr.get(f"/api/v1/templates/{id}" + (f"/versions/{version}" if version else "")).status == 200


def name_of(fnr, id):
    answer = fnr.get(f"/api/v1/templates/{id}")
    return answer.json["name"] if answer.status == 200 else None


def test_added_changed_renamed_removed(fnr):
    with fnr.stream("/api/v1/events?types=template.changed") as stream:
        events = (event for event in stream if event.name == "snapshot" or event.data["template"] in ("one", "two"))   # of the start there may be more
        assert next(events).name == "snapshot"
        write(folder(fnr, "one.yaml"), text("one"))
        until(lambda: there(fnr, "one"), "a file was added")
        write(folder(fnr, "one.yaml"), text("one", name="Other"))
        until(lambda: name_of(fnr, "one") == "Other", "it was changed")
        write(folder(fnr, "one.yaml"), text("one", "1.1.0"))
        until(lambda: there(fnr, "one@1.1.0") and not there(fnr, "one@1.0.0"), "it holds another version")
        os.rename(folder(fnr, "one.yaml"), folder(fnr, "uno.yml"))
        shutil.rmtree(folder(fnr, "no such"), ignore_errors=True)
        write(folder(fnr, "deep", "er", "two.json"), json.dumps({"id": "two", "version": "1.0.0", "name": "T", "category": "text", "backend": {"type": "noop"}}))
        until(lambda: there(fnr, "two"), "a folder came with a file")
        assert there(fnr, "one"), "only its file has another name"
        os.remove(folder(fnr, "uno.yml"))
        until(lambda: not there(fnr, "one"), "its file is gone")
        os.rename(folder(fnr, "deep"), os.path.join(fnr.data, "elsewhere"))
        until(lambda: not there(fnr, "two"), "its folder is elsewhere")
        os.rename(os.path.join(fnr.data, "elsewhere"), folder(fnr, "deep"))
        until(lambda: there(fnr, "two"), "its folder is back")
        seen = [(event.data["template"], event.data["version"], event.data["change"]) for _, event in zip(range(8), events)]
    assert seen[:4] == [("one", "1.0.0", "added"), ("one", "1.0.0", "changed"), ("one", "1.1.0", "added"), ("one", "1.0.0", "removed")], seen
    assert seen[4:] == [("two", "1.0.0", "added"), ("one", "1.1.0", "removed"), ("two", "1.0.0", "removed"), ("two", "1.0.0", "added")], seen
    shutil.rmtree(folder(fnr, "deep"))


def by_rename(path, content):
    write(path + ".tmp~", content)
    os.replace(path + ".tmp~", path)


def by_backup(path, content):
    os.rename(path, path + "~")
    with open(path, "w") as file:
        file.write(content)
    os.remove(path + "~")


def by_pieces(path, content):
    with open(path, "w") as file:
        for character in content:
            file.write(character)
            file.flush()


def by_swap_file(path, content):
    swap = os.path.join(os.path.dirname(path), "." + os.path.basename(path) + ".swp")
    write(swap, "b0VIM")
    write(os.path.join(os.path.dirname(path), "4913"), "")
    os.remove(os.path.join(os.path.dirname(path), "4913"))
    by_backup(path, content)
    os.remove(swap)


@pytest.mark.parametrize("save", [by_rename, by_backup, by_pieces, by_swap_file])
def test_as_editors_save(fnr, save):
    path = folder(fnr, "edited.yaml")
    write(path, text("edited", name="Start"))
    until(lambda: name_of(fnr, "edited") == "Start", "before")
    for i in range(3):
        save(path, text("edited", name=f"{save.__name__} {i}"))
        until(lambda: name_of(fnr, "edited") == f"{save.__name__} {i}", save.__name__)
    os.remove(path)
    until(lambda: not there(fnr, "edited"), "after")


def test_links_to_folders_and_files(fnr, tmp_path):
    write(str(tmp_path / "a/linked.yaml"), text("linked", name="A"))
    write(str(tmp_path / "b/linked.yaml"), text("linked", name="B"))
    os.symlink(tmp_path / "a", folder(fnr, "link"))
    until(lambda: name_of(fnr, "linked") == "A", "a link to a folder")
    write(str(tmp_path / "a/linked.yaml"), text("linked", name="A again"))
    until(lambda: name_of(fnr, "linked") == "A again", "a change behind the link")
    os.symlink(tmp_path / "b", folder(fnr, ".new"))
    os.replace(folder(fnr, ".new"), folder(fnr, "link"))
    until(lambda: name_of(fnr, "linked") == "B", "the link points elsewhere")
    os.remove(folder(fnr, "link"))
    until(lambda: not there(fnr, "linked"), "the link is gone")
    os.symlink(tmp_path / "b/linked.yaml", folder(fnr, "file.yaml"))
    until(lambda: name_of(fnr, "linked") == "B", "a link to a file")
    write(str(tmp_path / "b/linked.yaml"), text("linked", name="B again"))
    until(lambda: name_of(fnr, "linked") == "B again", "a change of the file behind it")
    os.remove(folder(fnr, "file.yaml"))
    until(lambda: not there(fnr, "linked"), "after")


def test_the_whole_folder_is_replaced(fnr):
    write(folder(fnr, "kept.yaml"), text("kept"))
    until(lambda: there(fnr, "kept"), "before")
    os.rename(folder(fnr), os.path.join(fnr.data, "templates.old"))
    until(lambda: not there(fnr, "kept"), "it is away")
    os.rename(os.path.join(fnr.data, "templates.old"), folder(fnr))
    until(lambda: there(fnr, "kept"), "it is back")
    write(folder(fnr, "later.yaml"), text("later"))
    until(lambda: there(fnr, "later"), "it is still watched")
    os.remove(folder(fnr, "later.yaml"))
    os.remove(folder(fnr, "kept.yaml"))
    until(lambda: not there(fnr, "kept"), "after")


def test_a_thousand_at_once(fnr):
    for i in range(1000):
        write(folder(fnr, "many", f"many_{i}.yaml"), text(f"many_{i}"))
    until(lambda: there(fnr, "many_999") and there(fnr, "many_0"), "a thousand files")
    items, cursor = [], ""
    while cursor is not None:
        page = fnr.get("/api/v1/templates?q=many_&limit=500" + (f"&cursor={cursor}" if cursor else "")).json
        items += page["items"]
        cursor = page["next_cursor"]
    assert len({item["id"] for item in items}) == 1000
    shutil.rmtree(folder(fnr, "many"))
    until(lambda: not there(fnr, "many_999") and not there(fnr, "many_0"), "all are gone")


# ---- what is broken, what is there twice ----


def broken(fnr):
    return {item["source"]: item for item in fnr.get("/api/v1/templates?state=broken&limit=500").json["items"]}


def test_broken_files_leave_what_was_good(fnr):
    write(folder(fnr, "half.yaml"), text("half", name="Good"))
    until(lambda: there(fnr, "half"), "before")
    with fnr.stream("/api/v1/events?types=template.changed") as stream:
        events = (event for event in stream if event.name == "snapshot" or event.data["source"] == "data/half.yaml")   # of earlier tests there may be more
        assert next(events).name == "snapshot"
        write(folder(fnr, "half.yaml"), text("half", name="Bad", more="timeout_s: soon\n"))
        event = next(event for event in events if event.data["change"] != "added")
        assert event.data["change"] == "broken" and "timeout_s" in event.data["message"]
        assert name_of(fnr, "half") == "Good", "the last good state stays in force"
        item = broken(fnr)["data/half.yaml"]
        assert item["in_force"] is True and item["state"] == "broken" and item["changed_at"]
        error, = item["errors"]
        assert (error["pointer"], error["file"], error["line"], error["column"], error["excerpt"]) == ("/timeout_s", "data/half.yaml", 6, 1, "timeout_s: soon")
        write(folder(fnr, "half.yaml"), "id: half\n  version: [\n")
        until(lambda: broken(fnr)["data/half.yaml"]["errors"][0]["rule"] == "syntax", "another problem")
        assert broken(fnr)["data/half.yaml"]["errors"][0]["line"] == 2
        write(folder(fnr, "other.yaml"), text("other"))
        until(lambda: there(fnr, "other"), "a broken file stops no other")
        write(folder(fnr, "half.yaml"), text("half", name="Good"))
        until(lambda: not broken(fnr), "it is as it was")
        for event in events:
            if event.data["change"] == "mended":
                break
    os.remove(folder(fnr, "half.yaml"))
    os.remove(folder(fnr, "other.yaml"))
    until(lambda: not there(fnr, "half") and not there(fnr, "other"), "after")


def test_what_cannot_be_read_is_said(fnr):
    """Names that nobody could write, what is too large, no text at all: each is in the list with its error, and stops no other."""
    names = {b"a\nb.yaml": "its name", b"caf\xe9.yaml": "its name", b"large.yaml": "larger than", b"zero.yaml": "0 byte"}
    for name in names:
        with open(os.path.join(folder(fnr).encode(), name), "wb") as file:
            file.write({b"large.yaml": b"#" * (2 << 20), b"zero.yaml": b"a\0b"}.get(name, text("strange").encode()))
    write(folder(fnr, "UPPER.YAML"), text("upper"))
    os.mkfifo(folder(fnr, "pipe.yaml"))
    os.symlink("nowhere.yaml", folder(fnr, "away.yaml"))
    os.symlink("round.yaml", folder(fnr, "round.yaml"))
    os.symlink("editor@host.1:2", folder(fnr, ".#locked.yaml"))
    until(lambda: there(fnr, "upper") and len(broken(fnr)) == len(names), "all of them are seen")
    found = broken(fnr)
    assert set(found) == {"data/a b.yaml", "data/caf?.yaml", "data/large.yaml", "data/zero.yaml"}
    for (name, message), item in zip(sorted(names.items()), (found[source] for source in sorted(found))):
        error, = item["errors"]
        assert error["rule"] == "readable" and message in error["message"], (name, item)
    assert not there(fnr, "strange")
    for name in [*names, b"UPPER.YAML", b"pipe.yaml", b"away.yaml", b"round.yaml", b".#locked.yaml"]:
        os.remove(os.path.join(folder(fnr).encode(), name))
    until(lambda: not broken(fnr) and not there(fnr, "upper"), "after")


def test_the_same_version_twice(fnr):
    write(folder(fnr, "b.yaml"), text("twice", name="First"))
    until(lambda: there(fnr, "twice"), "before")
    write(folder(fnr, "a.yaml"), text("twice", name="Second"))
    until(lambda: "data/a.yaml" in broken(fnr), "it is there twice")
    assert "data/b.yaml" in broken(fnr)["data/a.yaml"]["errors"][0]["message"] and name_of(fnr, "twice") == "First"
    os.remove(folder(fnr, "b.yaml"))
    until(lambda: name_of(fnr, "twice") == "Second" and not broken(fnr), "now the other one has it")
    os.remove(folder(fnr, "a.yaml"))
    until(lambda: not there(fnr, "twice"), "after")


def test_of_the_api_and_of_a_file(fnr):
    assert fnr.post("/api/v1/templates", text("both", name="API"), headers={"Content-Type": "application/yaml"}).status == 201
    write(folder(fnr, "both.yaml"), text("both", name="File"))
    until(lambda: "data/both.yaml" in broken(fnr), "the API has it")
    assert "/api/v1/templates/both/versions/1.0.0" in broken(fnr)["data/both.yaml"]["errors"][0]["message"] and name_of(fnr, "both") == "API"
    assert fnr.request("DELETE", "/api/v1/templates/both/versions/1.0.0", headers={"If-Match": "*"}).status == 204
    until(lambda: name_of(fnr, "both") == "File", "then the file has it")
    answer = fnr.post("/api/v1/templates", text("both"), headers={"Content-Type": "application/yaml"})
    assert answer.status == 409 and "data/both.yaml" in answer.json["message"]
    os.remove(folder(fnr, "both.yaml"))
    until(lambda: not there(fnr, "both"), "after")


# ---- templates that extend others ----


def input_names(fnr, id):
    answer = fnr.get(f"/api/v1/templates/{id}")
    return list(answer.json["inputs"]) if answer.status == 200 else None


def test_what_extends_changes_with_what_it_extends(fnr):
    write(folder(fnr, "z_base.yaml"), text("base", more="inputs: {a: {type: string}, b: {type: string}}\ntags: [one]\n"))
    write(folder(fnr, "m_middle.yaml"), "id: middle\nversion: 1.0.0\nextends: base@1\ninputs: {c: {type: string}, b: null}\n")
    write(folder(fnr, "a_leaf.yaml"), "id: leaf\nversion: 1.0.0\nextends: middle\nname: Leaf\ntags: [two]\n")
    until(lambda: input_names(fnr, "leaf") == ["a", "c"], "whatever their order")
    leaf = fnr.get("/api/v1/templates/leaf").json
    assert leaf["name"] == "Leaf" and leaf["tags"] == ["two"] and leaf["extends"] == "middle"
    made = fnr.post("/api/v1/templates", {"id": "grown", "version": "1.0.0", "extends": "leaf@1", "name": "Grown"})
    assert made.status == 201 and list(made.json["inputs"]) == ["a", "c"]
    job = fnr.submit("grown", {"a": "x"}, not_before="2099-01-01T00:00:00Z")
    write(folder(fnr, "z_base.yaml"), text("base", more="inputs: {new: {type: string}}\n"))
    until(lambda: input_names(fnr, "leaf") == ["new", "c"] and input_names(fnr, "grown") == ["new", "c"], "all of them changed")
    assert fnr.get(f"/api/v1/jobs/{job['id']}").json["inputs"] == {"a": "x"}, "a job keeps what it was accepted with"
    fnr.post(f"/api/v1/jobs/{job['id']}/cancel")
    write(folder(fnr, "z_base.yaml"), text("base", more="inputs: {new: {type: strange}}\n"))
    until(lambda: "data/z_base.yaml" in broken(fnr), "it is broken")
    assert input_names(fnr, "leaf") == ["new", "c"], "they stay with its last good state"
    os.remove(folder(fnr, "z_base.yaml"))
    until(lambda: {"data/m_middle.yaml", "data/a_leaf.yaml", "api:grown@1.0.0"} <= set(broken(fnr)), "its file is gone")
    assert input_names(fnr, "grown") == ["new", "c"] and "base" in broken(fnr)["data/m_middle.yaml"]["errors"][0]["message"]
    write(folder(fnr, "z_base.yaml"), text("base"))
    until(lambda: not broken(fnr) and input_names(fnr, "grown") == ["c"], "it is back")
    assert fnr.request("DELETE", "/api/v1/templates/grown/versions/1.0.0", headers={"If-Match": "*"}).status == 204
    for name in ("a_leaf.yaml", "m_middle.yaml", "z_base.yaml"):
        os.remove(folder(fnr, name))
    until(lambda: not there(fnr, "base"), "after")


def test_rings_are_refused(fnr):
    write(folder(fnr, "x.yaml"), "id: x\nversion: 1.0.0\nextends: z\nname: X\ncategory: text\nbackend: {type: noop}\n")
    write(folder(fnr, "y.yaml"), "id: y\nversion: 1.0.0\nextends: x\n")
    write(folder(fnr, "z.yaml"), "id: z\nversion: 1.0.0\nextends: y@1\n")
    until(lambda: {"data/x.yaml", "data/y.yaml", "data/z.yaml"} <= set(broken(fnr)), "they extend each other")
    until(lambda: all(broken(fnr)[f"data/{name}.yaml"]["errors"][0]["rule"] == "cycle" for name in "xyz"), "each names the ring")
    assert "data/y.yaml" in broken(fnr)["data/x.yaml"]["errors"][0]["message"]
    write(folder(fnr, "x.yaml"), text("x"))
    until(lambda: not broken(fnr) and there(fnr, "z"), "the ring is open")
    answer = fnr.post("/api/v1/templates/validate", {"id": "x", "version": "1.0.0", "extends": "z"}).json
    assert answer["valid"] is False and answer["errors"][0]["rule"] == "cycle"
    for name in "xyz":
        os.remove(folder(fnr, name + ".yaml"))
    until(lambda: not there(fnr, "z"), "after")


def test_scripts_are_part_of_templates(fnr):
    """A template of the API runs what lies in scripts/ or ships, and nothing else; a change of a script makes another template of it."""
    script = os.path.join(fnr.data, "scripts", "say")
    write(script, "#!/bin/sh\ncat > /dev/null\necho one > out.txt\necho '{\"output\":\"file\",\"path\":\"out.txt\"}'\n")
    os.chmod(script, 0o755)
    definition = {"id": "said", "version": "1.0.0", "name": "Said", "category": "text", "outputs": {"file": {"type": "file"}},
                  "backend": {"type": "script", "command": ["say"]}}
    made = fnr.post("/api/v1/templates", definition)
    assert made.status == 201, made.data
    assert fnr.run("said")["state"] == "completed"
    write(script, "#!/bin/sh\ncat > /dev/null\necho two two > out.txt\necho '{\"output\":\"file\",\"path\":\"out.txt\"}'\n")
    until(lambda: fnr.get("/api/v1/templates/said").json["digest"] != made.json["digest"], "the script is another")
    job = fnr.run("said")
    assert fnr.get(f"/api/v1/jobs/{job['id']}/outputs/file").data == b"two two\n"
    shipped = {**definition, "id": "shipped", "outputs": {"image": {"type": "image"}}, "inputs": {"text": {"type": "string", "default": "x"}},
               "backend": {"type": "script", "python": "create_title_card/title_card.py", "class": "TitleCard"}}
    assert fnr.post("/api/v1/templates", shipped).status == 201
    for name in ("/bin/sh", "../admin.key", "gone", "config.yaml"):
        answer = fnr.post("/api/v1/templates", {**definition, "id": "evil", "backend": {"type": "script", "command": [name]}})
        assert answer.status == 422 and answer.json["errors"][0]["pointer"] == "/backend/command/0", (name, answer.data)
    write(folder(fnr, "own", "own"), "#!/bin/sh\n")
    os.chmod(folder(fnr, "own", "own"), 0o755)
    write(folder(fnr, "own", "own.yaml"), text("own").replace("{type: noop}", "{type: script, command: [own]}"))
    until(lambda: there(fnr, "own"), "a file names what lies beside it")
    assert fnr.post("/api/v1/templates", {"id": "heir", "version": "1.0.0", "extends": "own"}).status == 201, "as the file wrote it"
    answer = fnr.post("/api/v1/templates", {"id": "heir2", "version": "1.0.0", "extends": "own", "backend": {"command": ["own", "--more"]}})
    assert answer.status == 422, "not as the API writes it"
    for id in ("said", "shipped", "heir"):
        assert fnr.request("DELETE", f"/api/v1/templates/{id}/versions/1.0.0", headers={"If-Match": "*"}).status == 204
    shutil.rmtree(folder(fnr, "own"))
    until(lambda: not there(fnr, "own"), "after")


def test_a_list_that_somebody_has_is_not_sent_again(fnr):
    """Its ETag is another one with every change of what it shows, and with each question."""
    address = "/api/v1/templates?limit=500"
    seen = set()

    def another(what, address=address):
        """The answer comes again, once; with its tag it does not."""
        last = {}

        def changed():
            last["answer"] = fnr.get(address)
            return last["answer"].headers["ETag"] not in seen

        until(changed, what)
        tag = last["answer"].headers["ETag"]
        same = fnr.get(address, headers={"If-None-Match": f'"x", W/{tag}'})
        if same.status == 200:      # something else changed in between
            return another(what, address)
        assert (same.status, same.headers["ETag"], same.data) == (304, tag, b""), what
        assert fnr.get(address, headers={"If-None-Match": '"x"'}).status == 200
        seen.add(tag)
        return last["answer"].json["items"]

    another("at first")
    for more in ("&q=title", "&view=node", "&category=image", "&state=broken", "&cursor=noop"):
        another(more, address + more)
    write(folder(fnr, "tagged.yaml"), text("tagged"))
    until(lambda: there(fnr, "tagged"), "it is there")
    assert "tagged" in [item["id"] for item in another("a template more")]
    write(folder(fnr, "tagged.yaml"), text("tagged", name="Other"))
    until(lambda: name_of(fnr, "tagged") == "Other", "it is changed")
    assert "Other" in [item["name"] for item in another("one that is changed")]
    assert fnr.post("/api/v1/templates/tagged/versions/1.0.0/deprecate", {}).status == 200
    assert [item["id"] for item in another("one that is deprecated") if item["deprecated"]] == ["tagged"]
    write(folder(fnr, "tagged.yaml"), "id: [\n")
    until(lambda: any(item["source"].endswith("tagged.yaml") for item in fnr.get(address + "&state=broken").json["items"]), "it is broken")
    another("what is broken", address + "&state=broken")
    os.remove(folder(fnr, "tagged.yaml"))
    until(lambda: not there(fnr, "tagged"), "it is gone")
    assert "tagged" not in [item["id"] for item in another("one that is gone")]


def test_a_list_says_what_can_run_at_once(fnr):
    """No template changes when a server comes or goes, but the list does."""
    address = "/api/v1/templates?limit=500"

    def available():
        answer = fnr.get(address)
        return {item["id"]: item["available"] for item in answer.json["items"]}["text_to_image"], answer.headers["ETag"]

    before, without = available()
    assert not before
    with Comfyui() as server:
        assert fnr.post("/api/v1/backends", {"id": "painter", "type": "comfyui", "url": server.url}).status == 201
        until(lambda: available()[0], "it can run")
        _, there_now = available()
        assert there_now != without and fnr.get(address, headers={"If-None-Match": without}).status == 200
    until(lambda: not available()[0], "it is silent")
    _, silent = available()
    assert silent not in (without, there_now) and fnr.get(address, headers={"If-None-Match": there_now}).status == 200
    assert fnr.request("DELETE", "/api/v1/backends/painter", headers={"If-Match": "*"}).status == 204


def test_a_class_that_is_not_there_is_told(fnr):
    """A file that is not run cannot be refused for what it makes; who puts it in force is told, and so is the log."""
    definition = {"id": "classless", "version": "1.0.0", "name": "Classless", "category": "text",
                  "backend": {"type": "script", "python": "create_title_card/title_card.py", "class": "Titelcard"}}
    told = fnr.post("/api/v1/templates/validate", definition).json
    (warning,) = [entry for entry in told["warnings"] if entry["rule"] == "class"]
    assert told["valid"] and warning["pointer"] == "/backend/class" and "TitleCard" in warning["fix"], told
    made = fnr.post("/api/v1/templates", definition)
    assert made.status == 201 and [entry["rule"] for entry in made.json["warnings"]] == ["class"], made.data
    changed = {**definition, "backend": {**definition["backend"], "class": "TitleCard"}}
    put = fnr.request("PUT", "/api/v1/templates/classless/versions/1.0.0", changed, headers={"If-Match": "*"})
    assert put.status == 200 and "warnings" not in put.json, put.data
    assert "warnings" not in fnr.get("/api/v1/templates/classless").json
    assert fnr.request("DELETE", "/api/v1/templates/classless/versions/1.0.0", headers={"If-Match": "*"}).status == 204
    write(folder(fnr, "own", "nobody.py"), "class Somebody:\n    pass\n")
    write(folder(fnr, "own", "nobody.yaml"), text("nobody").replace("{type: noop}", "{type: script, python: nobody.py, class: Nobody}"))
    until(lambda: there(fnr, "nobody"), "it is in force")
    until(lambda: "event=template.doubtful" in fnr.log_text(), "the log has it")
    assert "has no class 'Nobody'" in fnr.log_text() and "class: Somebody" in fnr.log_text()
    shutil.rmtree(folder(fnr, "own"))
    until(lambda: not there(fnr, "nobody"), "after")


# ---- rules of the operator ----


def test_rules_of_the_operator(fnr):
    rule = os.path.join(fnr.data, "rules", "house.yaml")
    write(folder(fnr, "ruled.yaml"), text("ruled", name="Before"))
    until(lambda: there(fnr, "ruled"), "before")
    write(rule, "rule: house_description\ndescription: Ours have one\nwhen: {properties: {id: {pattern: ^ruled}}}\nthen: {required: [description]}\n"
                "message: Every function of this house says what it makes\nfix: add a description\n")
    until(lambda: "data/ruled.yaml" in broken(fnr), "a rule came")
    error, = broken(fnr)["data/ruled.yaml"]["errors"]
    assert (error["rule"], error["message"], error["fix"]) == ("house_description", "Every function of this house says what it makes", "add a description")
    assert name_of(fnr, "ruled") == "Before", "the last good state stays in force"
    rules = {item["rule"]: item for item in fnr.get("/api/v1/template-rules").json["items"]}
    assert rules["house_description"]["stage"] == "custom" and rules["cycle"]["stage"] == "inheritance"
    answer = fnr.post("/api/v1/templates", text("ruled2"), headers={"Content-Type": "application/yaml"})
    assert answer.status == 422 and answer.json["errors"][0]["rule"] == "house_description"
    write(folder(fnr, "ruled.yaml"), text("ruled", name="After", more="description: Something\n"))
    until(lambda: name_of(fnr, "ruled") == "After" and not broken(fnr), "it fits")
    write(rule, "rule: house_tags\nseverity: warning\nthen: {required: [tags]}\n")
    plain = {"id": "w", "version": "1.0.0", "name": "W", "category": "text", "backend": {"type": "noop"}}
    until(lambda: "house_tags" in {warning["rule"] for warning in fnr.post("/api/v1/templates/validate", plain).json["warnings"]}, "it is a warning now")
    write(rule, "rule: house description\nthen: {type: 5}\n")
    until(lambda: "rules/house.yaml" in broken(fnr), "a broken rule is said to be")
    assert {(error["pointer"], error["line"], error["file"]) for error in broken(fnr)["rules/house.yaml"]["errors"]} == {("/rule", 1, "rules/house.yaml"), ("/then", 2, "rules/house.yaml")}
    write(rule, "rule: house\nthen: [1\n")
    until(lambda: broken(fnr)["rules/house.yaml"]["errors"][0]["rule"] == "syntax", "one that is no YAML")
    assert broken(fnr)["rules/house.yaml"]["errors"][0]["line"] == 2
    os.remove(rule)
    until(lambda: not broken(fnr), "it is gone")
    os.remove(folder(fnr, "ruled.yaml"))
    until(lambda: not there(fnr, "ruled"), "after")


def test_what_was_validated_is_known():
    """The same content has its report at once, whichever process is asked; it is looked at again when anything changed that it depends on."""
    with System("log: {level: debug}\n") as fnr:
        def ask(body, new=None, accept="application/json"):
            """The report; new: how many templates were validated for it, None: it does not matter."""
            before = fnr.log_text().count("event=template.validated")
            kind = "application/json" if isinstance(body, dict) else "application/yaml"
            answer = fnr.post("/api/v1/templates/validate", body, headers={"Content-Type": kind, "Accept": accept})
            assert answer.status == 200
            count = fnr.log_text().count("event=template.validated") - before
            assert new is None or count == new, (count, new)
            return answer.json if accept == "application/json" else answer.data

        def known(body):
            before = fnr.log_text().count("event=template.validated")
            ask(body)
            return fnr.log_text().count("event=template.validated") == before

        plain = {"id": "plain", "version": "1.0.0", "name": "Plain", "category": "text", "backend": {"type": "noop"}}
        wrong = text("wrong", more="timeout_s: soon\n")
        write(folder(fnr, "base.yaml"), text("base", more="inputs: {a: {type: string}}\n"))
        until(lambda: there(fnr, "base"), "a parent")
        first, bad = ask(plain, 1), ask(wrong, 1)
        assert first["valid"] is True and bad["valid"] is False and bad["errors"][0]["line"] == 6
        for _ in range(5):
            assert ask(plain, 0) == first and ask(wrong, 0) == bad
        assert b"timeout_s" in ask(wrong, 0, "text/html")
        ask({**plain, "name": "Other"}, 1)
        assert ask(wrong + "\n", 1)["errors"] == bad["errors"], "another text"
        both = ask({"templates": [plain, {**plain, "id": "second"}]}, 2)
        assert both["valid"] and ask({"templates": [plain, {**plain, "id": "second"}]}, 0) == both
        child, example = {"id": "child", "version": "1.0.0", "extends": "base", "examples": [{"inputs": {"b": "x"}}]}, {**plain, "id": "base"}
        assert ask(child, 1)["valid"] is False and ask(child, 0)["valid"] is False, "the parent has no input b"
        write(folder(fnr, "base.yaml"), text("base", name="New", more="inputs: {b: {type: string}}\n"))
        until(lambda: name_of(fnr, "base") == "New", "the parent is another")
        assert ask(child, 1)["valid"] is True and ask(child, 0)["valid"] is True
        assert ask({"templates": [child, {**example, "inputs": {"b": {"type": "string"}}}]}, 2)["valid"] is True
        assert ask({"templates": [child, {**example, "inputs": {"c": {"type": "string"}}}]}, 2)["valid"] is False, "the parent is in the list"
        ask(plain, 1)                        # a template changed, nobody knows which ones matter
        ask(plain, 0)
        script = {**plain, "id": "scripted", "backend": {"type": "script", "command": ["say"]}}
        assert ask(script, 1)["valid"] is False and ask(script, 0)["valid"] is False
        write(os.path.join(fnr.data, "scripts", "say"), "#!/bin/sh\n")
        os.chmod(os.path.join(fnr.data, "scripts", "say"), 0o755)
        assert ask(script, 1)["valid"] is True
        until(lambda: known(script), "it is some time since the script changed")
        rule = os.path.join(fnr.data, "rules", "house.yaml")
        write(rule, "rule: house\nthen: {required: [tags]}\n")
        until(lambda: ask(script)["valid"] is False, "a rule came")
        assert ask(script, 0)["errors"][0]["rule"] == "house"
        os.remove(rule)
        until(lambda: ask(script)["valid"] is True, "it went")


def test_every_rule_that_reports_name_is_listed(fnr):
    listed = {item["rule"] for item in fnr.get("/api/v1/template-rules").json["items"]}
    named = set()
    for name in glob.glob(os.path.join(ROOT, "src", "registry", "*.c")) + [os.path.join(ROOT, "src", "schema", "form.c")]:
        if os.path.basename(name) in ("resolve.c", "presets.c", "parameters.c"):
            continue        # of inputs and presets, not of templates
        with open(name) as file:
            named |= set(re.findall(r'fnr_error_add\([^;"]*(?:"[^"]*")?[^;"]*,\s*"([a-z_]+)",', file.read()))
    named -= {"pointer", "fix"}        # members of problems that are passed on
    assert len(named) > 15 and named <= listed, named - listed


# ---- while all that goes on ----


def test_readers_see_whole_versions_only(fnr):
    """A thousand changes of a file and of a version of the API, with readers all the while: each sees one state or another, whole. (That
    each of a thousand files is loaded, however fast they come, is a test of the registry.)"""
    marks = lambda n: text("whole", name=f"n{n}", more=f"description: n{n}\ninputs: {{a{n}: {{type: string, default: n{n}}}}}\ntags: [n{n}]\n")
    yaml = {"Content-Type": "application/yaml"}
    path = "/api/v1/templates/whole.api/versions/1.0.0"
    by_api = lambda n: marks(n).replace("id: whole", "id: whole.api")
    write(folder(fnr, "whole.yaml"), marks(0))
    tag = fnr.post("/api/v1/templates", by_api(0), headers=yaml).headers["ETag"]
    until(lambda: there(fnr, "whole"), "before")
    stop, failures, seen = threading.Event(), [], {"whole": [0], "whole.api": [0]}

    def look(one):
        name = one["name"]
        number = name[1:]
        if (one["description"], one["tags"], list(one["inputs"])) != (name, [name], ["a" + number]):
            failures.append(one)
        seen[one["id"]].append(int(number))

    def read():
        while not stop.is_set():
            listed = fnr.get("/api/v1/templates?q=whole").json["items"]
            if [one["id"] for one in listed] != ["whole", "whole.api"]:
                failures.append(listed)
            for one in [fnr.get("/api/v1/templates/whole").json, fnr.get("/api/v1/templates/whole.api").json, *listed]:
                look(one)
            given = fnr.get(path).json
            if {given["name"], given["description"], *given["tags"], *("n" + name[1:] for name in given["inputs"])} != {given["name"]}:
                failures.append(given)

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    try:
        for n in range(1, 1001):
            by_rename(folder(fnr, "whole.yaml"), marks(n))
            answer = fnr.request("PUT", path, by_api(n), headers={**yaml, "If-Match": tag})
            assert answer.status == 200 and answer.json["name"] == f"n{n}", answer.data
            tag = answer.headers["ETag"]
            if n % 100 == 0:
                until(lambda: name_of(fnr, "whole") == f"n{n}", "it is live")
    finally:
        stop.set()
        for reader in readers:
            reader.join()
    assert not failures, failures[:2]
    assert len(set(seen["whole"])) > 5 and len(set(seen["whole.api"])) > 5
    assert fnr.request("DELETE", path, headers={"If-Match": tag}).status == 204
    os.remove(folder(fnr, "whole.yaml"))
    until(lambda: not there(fnr, "whole"), "after")


def test_after_a_restart():
    """Broken and good ones, of files and of the API, are what they were; what changed while nothing ran is found."""
    with System() as system:
        write(folder(system, "stays.yaml"), text("stays"))
        write(folder(system, "goes.yaml"), text("goes"))
        write(folder(system, "bad.yaml"), text("bad", name="[]"))
        until(lambda: there(system, "stays") and there(system, "goes") and broken(system), "before")
        assert system.post("/api/v1/templates", {"id": "api", "version": "1.0.0", "extends": "stays"}).status == 201
        system.stop()
        os.remove(folder(system, "goes.yaml"))
        write(folder(system, "stays.yaml"), text("stays", name="Changed"))
        system.start()
        assert name_of(system, "stays") == "Changed" and name_of(system, "api") == "Changed" and not there(system, "goes")
        assert list(broken(system)) == ["data/bad.yaml"]
        write(folder(system, "bad.yaml"), text("bad"))
        until(lambda: there(system, "bad") and not broken(system), "it goes on watching")
