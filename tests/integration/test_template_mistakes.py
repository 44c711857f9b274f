"""Mistakes that people make in templates: each message says where, what was found, and how to mend it."""

import json
import os
import subprocess

import pytest

from system import FNR

GOOD = """id: shout
version: 1.0.0
name: Shout
description: Writes a text in capital letters.
category: text
inputs:
  text: {type: string, required: true, max_length: 200, label: Text}
  times: {type: integer, min: 1, max: 10, default: 1, label: How often}
outputs:
  text: {type: text, media_type: text/plain}
parameters: {echo: false}
presets:
  ultra: {echo: true}
resources: {cpu: 1, memory_mb: 64}
timeout_s: 20
stages:
  execution: {weight: 0.9, message: Shouting…}
examples:
  - {name: A greeting, inputs: {text: hello}}
backend: {type: noop}
"""
# what is written, what is written instead of it, where, what the message and the remedy have
MISTAKES = [
    ("name: Shout", "nmae: Shout", "3:1", "'nmae'", "did you mean 'name'?"),
    ("version: 1.0.0", "version: 1.0", "2:1", "cannot be 1.0", "write 1.0.0"),
    ("version: 1.0.0", "version: v1.2", "2:1", "v1.2", "write 1.2.0"),
    ("version: 1.0.0", "version: 1.0.0-rc.1", "2:1", "no pre-releases", "three numbers"),
    ("id: shout", "id: Shout Loud", "1:1", "Shout Loud", "write it like shout_loud"),
    ("id: shout", "id: 5", "1:1", "'id' cannot be 5", "letters"),
    ("id: shout", "id:", "1:1", "'id' is missing", "letters"),
    ("category: text", "category: Text", "5:1", "'Text'", "did you mean 'text'?"),
    ("category: text", "category: smell", "5:1", "'smell'", "image, video, audio, text or generic"),
    ("type: string", "type: str", "7:10", "\"str\"", "did you mean 'string'?"),
    ("type: integer", "type: int", "8:11", "\"int\"", "did you mean 'integer'?"),
    ("type: string", "typ: string", "7:3", "the type is missing", "string, integer"),
    ("required: true", "requred: true", "7:24", "'requred'", "did you mean 'required'?"),
    ("required: true", "required: yes", "7:24", "not the text \"yes\"", "true or false"),
    ("max_length: 200", "maxLength: 200", "7:40", "'maxLength'", "'max_length'"),
    ("max_length: 200", "max: 200", "7:40", "'max' does not apply", "'max_length'"),
    ("max: 10", "maximum: 10", "8:34", "'maximum'", "'max'"),
    ("max_length: 200", "max_length: long", "7:40", "not the text \"long\"", "a whole number"),
    ("{type: string, required: true, max_length: 200, label: Text}", "string", "7:3", "not the text \"string\"", "{type: string}"),
    ("default: 1,", "default: 11,", "8:43", "11 is too large", "at most 10"),
    ("media_type: text/plain", "media_type: plain", "10:22", "'plain'", "image/png"),
    ("type: text,", "type: txt,", "10:10", "'txt'", "did you mean 'text'?"),
    ("ultra: {echo", "utlra: {echo", "13:3", "'utlra'", "did you mean 'ultra'?"),
    ("ultra: {echo: true}", "ultra: {ecco: true}", "13:11", "'ecco'", "did you mean 'echo'?"),
    ("ultra: {echo: true}", "ultra: {echo: 5}", "13:11", "5 here, but false", "same type"),
    ("memory_mb: 64", "memory_mb: 64MB", "14:21", "not the text \"64MB\"", "a whole number from 0"),
    ("memory_mb: 64", "memory: 64", "14:21", "'memory'", "did you mean 'memory_mb'?"),
    ("timeout_s: 20", "timeout: 20", "15:1", "'timeout'", "did you mean 'timeout_s'?"),
    ("stages:", "stages: []\nx:", "16:1", "an object, not a list", "{execution:"),
    ("inputs: {text: hello}", "inputs: {txt: hello}", "19:33", "'txt'", "did you mean 'text'?"),
    ("backend: {type: noop}", "backend: noop", "20:1", "not the text \"noop\"", "{type: script"),
    ("backend: {type: noop}", "backend: {type: nop}", "20:11", "'nop'", "did you mean 'noop'?"),
    ("backend: {type: noop}", "backend: {type: script, command: say.sh}", "20:25", "not the text \"say.sh\"", "[program"),
    ("backend: {type: noop}", "backend: {type: script, command: [say.sh]}", "20:35", "'say.sh'", "beside the template"),
    ("timeout_s: 20", "tags: red", "15:1", "a list, not the text \"red\"", "[red, blue]"),
    ("timeout_s: 20", "extends: shuot@1", "15:1", "'shuot'", "did you mean 'shout'?"),
    ("timeout_s: 20", "extends: shout@^1", "15:1", "'^1' is not a version", "name a template"),
    ("timeout_s: 20", "extends: shout@3", "15:1", "no version 3 of template 'shout'; there are ", "name a template"),
    ("label: Text}", "label: Text, in capitals}", "7:70", "'in capitals'", "quotes"),
    ("message: Shouting…}", "message: Shouting, loud and clear}", "17:47", "'loud and clear'", "quotes"),
    # the text itself
    ("name: Shout", "name: Shout: loud", "3:12", "': '", "in quotes"),
    ("name: Shout", "name: \"Shout", "3:7", "does not end", "quote"),
    ("name: Shout", "\tname: Shout", "3:1", "a tab", "spaces"),
    ("  times:", "   times:", "8:4", "does not go on", "same column"),
    ("name: Shout", "name: Shout\nname: Loud", "4:1", "\"name\" is there twice", "remove one"),
    ("name: Shout", "name: @loud", "3:7", "cannot begin", "in quotes"),
    ("Shouting…", "caf\udce9", "17:41", "not UTF-8", "save the text as UTF-8"),
    ("parameters: {echo: false}", "parameters: {echo: false", "12:8", "'}' is missing", "line 11, column 13"),
]


@pytest.fixture
def folder(tmp_path):
    """Has a file beside it that can be extended, and one that is broken, which is no reason to fail."""
    (tmp_path / "other.yaml").write_text(GOOD.replace("version: 1.0.0", "version: 2.0.0"))
    (tmp_path / "broken.yaml").write_text("id: [")
    return tmp_path


def validate(path, *options):
    result = subprocess.run([FNR, "template", "validate", path, "--data", os.path.dirname(path), *options], capture_output=True, text=True, timeout=60)
    assert result.returncode in (0, 1), result
    return result


def report(path):
    return json.loads(validate(path, "--json").stdout)


@pytest.mark.parametrize("written, instead, place, message, fix", MISTAKES)
def test_a_mistake_is_explained(folder, written, instead, place, message, fix):
    path = folder / "shout.yaml"
    assert GOOD.count(written) >= 1
    path.write_bytes(GOOD.replace(written, instead, 1).encode("utf-8", "surrogateescape"))
    errors = report(path)["errors"]
    assert any(f"{error['line']}:{error['column']}" == place and message in error["message"] and fix in (error["fix"] or "") for error in errors), errors
    text = validate(path).stderr
    assert f"shout.yaml:{place}: error: " in text and fix in text


def test_what_editors_write(folder):
    """A byte order mark, line ends of Windows; and what a file is not."""
    path = folder / "shout.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + GOOD.replace("\n", "\r\n").encode())
    assert report(path)["valid"]
    path.write_bytes(b"\xef\xbb\xbf" + GOOD.replace("\n", "\r\n").replace("category: text", "category: tixt").encode())
    error, = report(path)["errors"]
    assert (error["line"], error["column"], error["excerpt"]) == (5, 1, "category: tixt")
    for content, message in ((b"", "empty"), (b"# only a word\n", "empty"), (GOOD.encode("utf-16"), "not UTF-8"), (b"#" * (2 << 20), "larger than 1048576")):
        path.write_bytes(content)
        error, = report(path)["errors"]
        assert message in error["message"], error
    path.unlink()
    path.mkdir()
    error, = report(path)["errors"]
    assert error["rule"] == "readable" and "directory" in error["message"]
    (folder / "bom.json").write_bytes(b"\xef\xbb\xbf" + json.dumps({"id": "a", "version": "1.0.0", "name": "A", "category": "text", "backend": {"type": "noop"}}).encode())
    assert report(folder / "bom.json")["valid"]
    (folder / "trailing.json").write_text('{"id": "a",\n "version": "1.0.0",\n}')
    error, = report(folder / "trailing.json")["errors"]
    assert (error["line"], error["column"]) == (3, 1) and "no ',' before '}'" in error["fix"]


def test_a_long_line_is_shown_where_it_is_wrong(folder):
    path = folder / "long.json"
    path.write_text(json.dumps({"id": "long", "version": "1.0.0", "name": "L", "description": "é" * 2000, "category": "smell", "backend": {"type": "noop"}}, ensure_ascii=False))
    error, = report(path)["errors"]
    assert error["excerpt"].startswith("…") and len(error["excerpt"].encode()) < 200
    assert error["excerpt"][error["excerpt_column"] - 1:].startswith('"category": "smell"')
    text = validate(path).stderr.splitlines()
    line, mark = text[1], text[2]
    assert line[mark.index("^"):].startswith('"category": "smell"')


def test_the_line_of_a_grandparent(folder):
    """A problem stands where it was written, whoever inherits it."""
    (folder / "grand.yaml").write_text(GOOD.replace("id: shout", "id: grand").replace("default: 1,", "default: 11,"))
    (folder / "parent.yaml").write_text("id: parent\nversion: 1.0.0\nextends: grand@1\n")
    (folder / "child.yaml").write_text("id: child\nversion: 1.0.0\nextends: parent\ntimeout_s: soon\n")
    places = {(os.path.basename(error["file"]), error["line"], error["column"]) for error in report(folder / "child.yaml")["errors"]}
    assert places == {("grand.yaml", 8, 43), ("child.yaml", 4, 1)}
    (folder / "grand.yaml").write_text("id: grand\nversion: 1.0.0\nextends: nobody\n")
    error, = report(folder / "child.yaml")["errors"]
    assert (os.path.basename(error["file"]), error["line"]) == ("grand.yaml", 3)
    (folder / "grand.yaml").write_text("id: grand\nversion: 1.0.0\nname: [\n")
    error, = report(folder / "child.yaml")["errors"]
    assert "no template 'grand'" in error["message"] and os.path.basename(error["file"]) == "parent.yaml", "what cannot be read is nobody's parent"


def test_not_a_thousand_problems(folder):
    path = folder / "many.json"
    path.write_text(json.dumps({f"x{i}": 1 for i in range(40000)}))
    errors = report(path)["errors"]
    assert len(errors) == 101 and "problems more" in errors[-1]["message"]
