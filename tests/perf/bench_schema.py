"""JSON Schema: ours beside Ajv (compiled to JavaScript), on the same schemas and values, in the same run. Times are the processor's.
Ajv is installed with npm into a temporary folder; without npm it is left out.

"All errors" is finding them all. Ajv's are objects then, with words that were prepared when the schema was compiled, and places that it
has still to join; ours are records, and words are made of them for who reads them. "As text" is both as the JSON that a client would
get: there ours cost more, and also say what was found and how to mend it, and what may have been meant.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
CASES = os.path.join(HERE, "schema_cases.json")
COLUMNS = (("valid", "valid"), ("invalid", "invalid"), ("errors", "all errors"), ("texts", "as text"))


def rows(command, **options):
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True, **options)
    return [json.loads(line) for line in done.stdout.splitlines()]


def ajv():
    """None if it cannot be had here."""
    if not shutil.which("npm") or not shutil.which("node"):
        print("Ajv is left out: apt-get install nodejs npm", flush=True)
        return None
    with tempfile.TemporaryDirectory(prefix="fnr-bench-") as folder:
        for name in ("package.json", "package-lock.json"):
            shutil.copy(os.path.join(HERE, "ajv", name), folder)
        if subprocess.run(["npm", "ci", "--no-audit", "--no-fund", "--silent"], cwd=folder, stdout=sys.stderr).returncode:
            print("Ajv is left out: npm could not install it", flush=True)
            return None
        return rows(["node", os.path.join(HERE, "bench_schema.mjs"), CASES], cwd=folder)


def time_text(ns):
    return f"{ns:.0f} ns" if ns < 10000 else f"{ns / 1000:.0f} µs"


def main(program):
    ours = rows([program, CASES])
    theirs = ajv() or [None] * len(ours)
    for own, other in zip(ours, theirs):
        parts = [f"{label} {time_text(own[key])}" + (f" (Ajv {time_text(other[key])})" if other else "") for key, label in COLUMNS]
        print(f"{'schema: ' + own['name']:<58} {', '.join(parts)}; compiled in {time_text(own['compile'])}", flush=True)
