"""The OpenAPI document is one, by the official schema; and schemathesis asks every operation what its schemas allow: no answer is a 5xx,
none is undocumented."""

import os
import subprocess

import pytest

from system import System

FOLDER = os.environ.get("FNR_TEST_SCHEMATHESIS")
# Streams end when their client goes; bytes of files are of no schema.
LEFT_OUT = "/events$|/files/|/outputs/|/thumbnail$|/export$|/preview$"


pytestmark = pytest.mark.skipif(not FOLDER, reason="FNR_TEST_SCHEMATHESIS does not say where it is installed; ./test does that")


def test_every_operation_answers_as_documented():
    with System("workers: {max: 2, min: 1}\n") as system:
        job = system.run("create_title_card", {"text": "Some"}, quality="draft", project="some", shot="shot")
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([FOLDER, os.path.dirname(os.path.abspath(__file__))]),
                       "SCHEMATHESIS_HOOKS": "schemathesis_hooks", "FNR_SOME_JOB": job["id"], "HOME": system.data}
        address = f"http://127.0.0.1:{system.port}"
        result = subprocess.run(
            ["/usr/bin/python3", "-B", "-m", "schemathesis.cli", "run", address + "/api/v1/openapi.json", "--base-url", address, "--experimental=openapi-3.1",
             "--header", f"Authorization: Bearer {system.key}", "--checks", "not_a_server_error,status_code_conformance,content_type_conformance",
             "--exclude-path-regex", LEFT_OUT, "--exclude-operation-id", "deleteKey", "--hypothesis-max-examples", "5", "--hypothesis-derandomize",
             "--hypothesis-no-phases", "shrink,target,reuse", "--hypothesis-deadline", "60000", "--hypothesis-suppress-health-check", "all",
             "--request-timeout", "60000", "--no-color"],
            env=environment, capture_output=True, text=True, timeout=580, cwd=system.data)
        assert result.returncode == 0, result.stdout[-6000:] + result.stderr[-2000:]
        assert int(result.stdout.rsplit(" passed in", 1)[0].rsplit(" ", 1)[1]) > 60, result.stdout[-500:]


def nothings(node, way=()):
    """Members with no value: what is left of a description with a comma that stands in no quotes."""
    if isinstance(node, dict):
        for name, value in node.items():
            if value is None:
                yield (*way, name)
            yield from nothings(value, (*way, name))
    elif isinstance(node, list):
        for i, value in enumerate(node):
            yield from nothings(value, (*way, i))


def test_the_document_is_openapi_3_1(tmp_path):
    """As it is served, with the inputs of templates of all kinds."""
    definition = {"id": "every", "version": "1.0.0", "name": "Every", "category": "text", "backend": {"type": "noop"}, "inputs": {
        "a": {"type": "string", "pattern": "^x", "format": "color", "label": "A", "group": "G", "unit": "u", "order": 1, "control": "text"},
        "b": {"type": "array", "items": {"type": "file", "media": ["image/*"]}, "max_items": 3}, "c": {"type": "any", "default": None}, "d": {"type": "number", "exclusive_min": 0}}}
    whole = {**definition, "id": "whole", "inputs": None, "input_schema": {
        "type": "object", "properties": {"a": {"$ref": "#/$defs/x"}, "const": {"$ref": "#/$defs/tree"}}, "if": {"required": ["a"]}, "then": {"minProperties": 1},
        "$defs": {"x": {"type": ["string", "null"], "examples": [{"$ref": "#/no/reference"}]}, "tree": {"anyOf": [{"type": "null"}, {"type": "array", "items": {"$ref": "#/$defs/tree"}}]}}}}
    with System() as system:
        for one in (definition, whole):
            made = system.post("/api/v1/templates", one)
            assert made.status == 201, made.data
        document = system.get("/api/v1/openapi.json")
    inputs, within = document.json["components"]["schemas"]["inputs.whole"], "#/components/schemas/inputs.whole/$defs/"
    assert inputs["properties"] == {"a": {"$ref": within + "x"}, "const": {"$ref": within + "tree"}}, "its references lead to where it stands in the document"
    assert inputs["$defs"]["tree"]["anyOf"][1]["items"] == {"$ref": within + "tree"} and inputs["$defs"]["x"]["examples"] == [{"$ref": "#/no/reference"}]
    path = tmp_path / "openapi.json"
    path.write_bytes(document.data)
    result = subprocess.run(["/usr/bin/python3", "-B", "-m", "openapi_spec_validator", "--schema", "3.1.0", path], env={**os.environ, "PYTHONPATH": FOLDER},
                            capture_output=True, text=True, timeout=120)
    assert result.returncode == 0 and "OK" in result.stdout, result.stdout[-3000:] + result.stderr[-2000:]
    assert list(nothings(document.json)) == []
