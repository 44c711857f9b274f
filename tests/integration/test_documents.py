"""What the documents say is true: the guide's function runs, the example for a public host works, rows name tests that exist."""

import glob
import json
import os
import re
import ssl
import subprocess
import urllib.request

from crash import until
from system import ROOT, System, free_port


def text_of(*path):
    with open(os.path.join(ROOT, *path)) as file:
        return file.read()


def block(text, language, word):
    """The one block of code in that language with the word in it."""
    found = [body for body in re.findall(rf"```{language}\n(.*?)```", text, re.S) if word in body]
    assert len(found) == 1, (language, word)
    return found[0]


def test_the_function_of_the_guide():
    guide = text_of("doc", "guide.md")
    with System() as system:
        folder = os.path.join(system.data, "templates", "shout")
        os.makedirs(folder)
        with open(os.path.join(folder, "shout.yaml"), "w") as file:
            file.write(block(guide, "yaml", "id: shout"))
        with open(os.path.join(folder, "shout.py"), "w") as file:
            file.write(block(guide, "python", "p = request"))
        os.chmod(os.path.join(folder, "shout.py"), 0o755)
        system.stop()
        system.start()
        assert "template.broken" not in system.log_text()
        job = system.run("shout", {"text": "cut", "times": 2}, quality="ultra")
        assert job["state"] == "completed" and job["parameters"]["echo"] is True, job
        assert system.get(job["outputs"][0]["url"]).data == b"CUT!\nCUT!"


def test_the_chain_of_the_guide():
    body = {**json.loads(block(text_of("doc", "guide.md"), "json", "depends_on")), "defaults": {"quality": "draft"}}
    with System() as system:
        answer = system.post("/api/v1/batches", body)
        assert answer.status == 202, answer.data
        job = system.wait(answer.json["jobs"][-1])
        assert job["state"] == "completed" and job["outputs"][0]["media_type"] == "video/mp4", job


def test_rows_name_tests_that_exist():
    units = re.findall(r"^Test\(\w+,\s*(\w+)", "\n".join(map(open_text, glob.glob(os.path.join(ROOT, "tests/unit/*.c")))), re.M)
    known = {path.split("test_")[-1]: set(re.findall(r"^def (test_\w+)", open_text(path), re.M))
             for path in glob.glob(os.path.join(ROOT, "tests/*/test_*.py"))}
    rows = [line for line in text_of("doc", "coverage.md").splitlines() if re.match(r"\| [\d5]", line)]
    assert len(rows) > 20
    for row in rows:
        assert row.count("|") == 4, row
        for name in re.findall(r"\btest_\w+\b", row):
            assert any(name in tests for tests in known.values()), (name, row)
        for file in re.findall(r"\b(\w+\.py):", row):
            assert file in known, (file, row)
        for name in re.findall(r"(?<![\w.])\w+: ([a-z_]+_[a-z_]+)(?!\w|\.)", row):
            assert name in units or name.startswith("test_"), (name, row)


def open_text(path):
    with open(path) as file:
        return file.read()


def test_the_example_for_a_public_host(tmp_path):
    """TLS in front: jobs, an upload and a stream go through, and links lead nowhere else."""
    host, port = "runner.example.org", free_port()
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={host}", "-addext",
                    f"subjectAltName=DNS:{host},IP:127.0.0.1", "-keyout", str(tmp_path / "key"), "-out", str(tmp_path / "cert")],
                   check=True, capture_output=True)
    with System(f'api: {{hosts: "{host} localhost 127.0.0.1"}}\n') as system:
        example = text_of("doc", "nginx-public.conf")
        for old, new in (("listen 80;", f"listen 127.0.0.1:{free_port()};"), ("listen 443 ssl", f"listen 127.0.0.1:{port} ssl"),
                         ("127.0.0.1:8080", f"127.0.0.1:{system.port}"), ("/var/log/nginx/function-runner.log", str(tmp_path / "access.log")),
                         (f"/etc/letsencrypt/live/{host}/fullchain.pem", str(tmp_path / "cert")),
                         (f"/etc/letsencrypt/live/{host}/privkey.pem", str(tmp_path / "key"))):
            assert old in example
            example = example.replace(old, new)
        example = re.sub(r"\tlisten \[::\].*\n", "", example)
        (tmp_path / "nginx.conf").write_text(
            f"daemon off;\nmaster_process off;\nuser root;\npid {tmp_path}/pid;\nerror_log stderr;\nevents {{}}\nhttp {{\naccess_log off;\n"
            + "".join(f"{kind}_temp_path {tmp_path}/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
            + example + "}\n")
        front = subprocess.Popen(["nginx", "-p", str(tmp_path), "-c", str(tmp_path / "nginx.conf"), "-e", "stderr"])
        try:
            trust = ssl.create_default_context(cafile=str(tmp_path / "cert"))
            opener = urllib.request.build_opener(urllib.request.HTTPSHandler(context=trust))

            def ask(path, data=None, **headers):
                request = urllib.request.Request(f"https://127.0.0.1:{port}{path}", data, {
                    "Host": host, "Authorization": "Bearer " + system.key, **{k.replace("_", "-"): v for k, v in headers.items()}})
                return opener.open(request, timeout=120)

            def answers():
                try:
                    return ask("/readyz").status == 200
                except OSError:
                    return False

            until(answers, "the server in front answers")
            assert ask("/api/v1/uploads", os.urandom(3 << 20), Content_Type="application/octet-stream").status == 201
            stream = ask("/api/v1/events", Accept="text/event-stream")
            assert stream.readline()
            answer = ask("/api/v1/jobs", b'{"template":"noop","inputs":{}}', Content_Type="application/json", Prefer="wait=120")
            assert answer.status == 200
            while b"job.completed" not in (line := stream.readline()):
                assert line
            assert ask("/").headers["Strict-Transport-Security"]
            cookie = ask("/api/v1/sessions", b"{}", Content_Type="application/json", Origin=f"https://{host}").headers["Set-Cookie"]
            assert cookie.endswith("; Secure")
            url = json.loads(ask("/api/v1/tickets", b'{"path":"/api/v1/events"}', Content_Type="application/json").read())["url"]
            assert opener.open(urllib.request.Request(f"https://127.0.0.1:{port}{url}", headers={"Host": host}), timeout=120).readline()
            stream.close()
            until(lambda: open_text(tmp_path / "access.log").count("GET /api/v1/events HTTP/1.1") == 2, "the lines of the two streams")
        finally:
            front.terminate()
            front.wait()
        assert "ticket=" not in open_text(tmp_path / "access.log")
