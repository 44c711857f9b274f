"""Templates as files: what is added, changed and taken away while the system runs, whatever way it is written."""

import json
import os
import shutil
import time

import pytest

from system import System


@pytest.fixture(scope="module")
def fnr():
    with System() as system:
        yield system


def until(condition, what, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.02)


def folder(fnr, *names):
    return os.path.join(fnr.data, "templates", *names)


def text(id, version="1.0.0", name="X", more=""):
    return f"id: {id}\nversion: {version}\nname: {name}\ncategory: text\nbackend: {{type: noop}}\n{more}"


def write(path, content):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as file:
        file.write(content)


def there(fnr, reference):
    id, _, version = reference.partition("@")
    return fnr.get(f"/api/v1/templates/{id}" + (f"/versions/{version}" if version else "")).status == 200


def name_of(fnr, id):
    answer = fnr.get(f"/api/v1/templates/{id}")
    return answer.json["name"] if answer.status == 200 else None


def test_added_changed_renamed_removed(fnr):
    with fnr.stream("/api/v1/events?types=template.changed") as stream:
        events = iter(stream)
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
    write(path, content)
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
