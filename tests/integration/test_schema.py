"""fnr schema: what it says and how it ends. (The official suite is run by the unit test test_schema_suite.)"""

import json

from test_cli import bad, good, lines, run


def write(folder, name, value):
    path = folder / name
    path.write_text(value if isinstance(value, str) else json.dumps(value))
    return path


def test_valid_invalid_and_bad(tmp_path):
    schema = write(tmp_path, "s.json", {"type": "object", "properties": {"width": {"type": "integer", "minimum": 8}}, "required": ["height"]})
    right = write(tmp_path, "right.json", {"width": 8, "height": 1})
    wrong = write(tmp_path, "wrong.json", {"width": "8"})
    assert "right.json is valid" in good(run("schema", schema, right))
    bad(run("schema", schema, wrong), "wrong.json: /width: '8' was given", "give a whole number", "#/properties/width/type", "/height", "'height' is missing")
    bad(run("schema", write(tmp_path, "b.json", {"type": "objekt"}), right), "/type", "did you mean 'object'?", status=2)
    bad(run("schema", write(tmp_path, "r.json", {"$ref": "#/$defs/x"}), right), "/$ref", "names no schema", status=2)
    bad(run("schema", write(tmp_path, "t.json", "{"), right), "t.json", "line 1", status=2)
    bad(run("schema", tmp_path / "absent.json", right), "absent.json", status=2)
    bad(run("schema", schema, write(tmp_path, "n.json", "[1,]")), "n.json", "line 1")
    bad(run("schema", schema, tmp_path / "absent.json"), "absent.json")
    both = run("schema", schema, right, wrong)
    assert both.returncode == 1 and "right.json is valid" in both.stdout and "wrong.json" in both.stderr
    assert "sound" in good(run("schema", schema))
    assert "is valid" in good(run("schema", schema, "-", input='{"height":2}'))
    bad(run("schema"), "SCHEMA", status=2)


def test_as_json(tmp_path):
    schema = write(tmp_path, "s.json", {"properties": {"a": {"enum": ["blue", "red"]}}})
    wrong = write(tmp_path, "wrong.json", {"a": "blu"})
    result = run("schema", schema, wrong, "--json")
    (report,) = lines(result.stdout)
    assert result.returncode == 1 and report["valid"] is False and report["instance"] == str(wrong)
    (error,) = report["errors"]
    assert error == {"pointer": "/a", "rule": "enum", "message": "'blu' is not one of the values",
                     "fix": "use one of 'blue', 'red'; did you mean 'blue'?", "schema": "#/properties/a/enum"}
    assert lines(good(run("schema", schema, write(tmp_path, "right.json", {}), "--json")))[0]["valid"] is True
    result = run("schema", write(tmp_path, "b.json", {"minimum": "1"}), wrong, "--json")
    (report,) = lines(result.stdout)
    assert result.returncode == 2 and report["valid"] is None and report["errors"][0]["pointer"] == "/minimum"


def test_remotes_and_formats(tmp_path):
    address = "https://example.com/a?b=c"
    schema = write(tmp_path, "s.json", {"items": {"$ref": address}})
    remote = write(tmp_path, "x=y.json", {"type": "string", "format": "date"})
    value = write(tmp_path, "v.json", ["today"])
    bad(run("schema", schema, value), address, "make that schema known", status=2)
    good(run("schema", schema, value, "--remote", f"{address}={remote}"))
    bad(run("schema", schema, value, "--remote", f"{address}={remote}", "--formats"), "/0", "'date'", "2026-01-31")
    bad(run("schema", schema, value, "--remote", "nothing"), "--remote", status=2)
    bad(run("schema", schema, value, "--remote", f"{address}={tmp_path}/absent"), "absent", status=2)


def test_hostile_files(tmp_path):
    any_ = write(tmp_path, "any.json", "true")
    cases = {"deep.json": "[" * 100000 + "]" * 100000, "utf8.json": b'"\xff\xfe"', "lone.json": '"\\ud800"', "twice.json": '{"a":1,"a":2}', "empty.json": ""}
    for name, text in cases.items():
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        bad(run("schema", any_, path), name)
        bad(run("schema", path, any_), name, status=2)
    good(run("schema", any_, write(tmp_path, "huge.json", "[1e999999999,-" + "9" * 100000 + "," + "0." + "1" * 100000 + "]")))
    bound = write(tmp_path, "bound.json", '{"items":{"multipleOf":3,"maximum":1e308}}')
    bad(run("schema", bound, write(tmp_path, "big.json", "[" + "9" * 100000 + "]")), "/0", "too large")
    wide = write(tmp_path, "wide.json", json.dumps("x" * 10_000_000))
    bad(run("schema", write(tmp_path, "short.json", {"maxLength": 5}), wide), "10000000 characters: too many")
    bad(run("schema", write(tmp_path, "hard.json", {"pattern": "^(a|aa)+$"}), write(tmp_path, "aab.json", json.dumps("a" * 5000 + "b"))), "cannot be checked")
    bad(run("schema", write(tmp_path, "loop.json", {"allOf": [{"$ref": "#"}]}), any_), "never end", status=2)
