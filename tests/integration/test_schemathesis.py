"""schemathesis asks every operation of the OpenAPI document what its schemas allow: no answer is a 5xx, none is undocumented."""

import os
import subprocess

import pytest

from system import System

FOLDER = os.environ.get("FNR_TEST_SCHEMATHESIS")
# Streams end when their client goes; bytes of files are of no schema.
LEFT_OUT = "/events$|/files/|/outputs/|/thumbnail$|/export$|/preview$"


@pytest.mark.skipif(not FOLDER, reason="FNR_TEST_SCHEMATHESIS does not say where it is installed; ./test does that")
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
            env=environment, capture_output=True, text=True, timeout=280, cwd=system.data)
        assert result.returncode == 0, result.stdout[-6000:] + result.stderr[-2000:]
        assert int(result.stdout.rsplit(" passed in", 1)[0].rsplit(" ", 1)[1]) > 60, result.stdout[-500:]
