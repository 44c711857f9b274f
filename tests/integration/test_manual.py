"""Manual pages and completion: made of the tables that fnr reads, so nothing is missing; and sound."""

import os
import re
import shutil
import subprocess

import pytest

from system import PREFIX
from test_cli import good, lines, run

MAN = os.path.join(PREFIX, "share", "man")


def commands():
    text = good(run("--help"))
    return re.findall(r"^  ([a-z-]+) ", text, re.M)


def options(command):
    return re.findall(r"(--[a-z-]+)", good(run(command, "--help")).split("\n\n", 1)[1])


def pages():
    return sorted(os.path.join(MAN, folder, name) for folder in ("man1", "man5", "man7", "man8")
                  for name in os.listdir(os.path.join(MAN, folder)) if name.startswith(("fnr", "function-runner")))


def rendered(page):
    """As a terminal shows it; anything that the formatter warns of is a mistake."""
    result = subprocess.run(["man", "--warnings", "-l", page], capture_output=True, text=True,
                            env={**os.environ, "LC_ALL": "C.UTF-8", "MANWIDTH": "200", "MANROFFOPT": "", "MAN_KEEP_FORMATTING": ""})
    assert result.returncode == 0 and result.stderr == "", (page, result.stderr)
    return re.sub(".\x08", "", result.stdout)


def page_of(command):
    (page,) = [page for page in pages() if re.fullmatch(rf"fnr-{command}\.[18]", os.path.basename(page))]
    return page


def test_every_page_is_sound():
    assert len(pages()) == len(commands()) + 3
    for page in pages():
        text = rendered(page)
        assert "NAME" in text and "DESCRIPTION" in text or os.path.basename(page) == "fnr.1", page
        assert len(text.splitlines()) > 10, page
        name = subprocess.run(["lexgrog", page], capture_output=True, text=True)
        assert name.returncode == 0 and " - " in name.stdout, (page, name)


@pytest.mark.parametrize("command", commands())
def test_every_option_has_its_place(command):
    text = rendered(page_of(command))
    for option in set(options(command)):
        assert option in text, option
    assert command in rendered(os.path.join(MAN, "man1", "fnr.1"))


def test_every_setting_has_its_place():
    text = rendered(os.path.join(MAN, "man5", "fnr-config.yaml.5"))
    for item in lines(good(run("config", "--json"))):
        assert item["key"] in text and item["help"][:30] in text, item


def test_unknown_pages():
    result = run("help", "--man", "nonsense")
    assert result.returncode == 2 and "nonsense" in result.stderr and result.stdout == ""


# ---- completion ----


def complete(*words):
    """What bash offers behind these words; the last one is being typed."""
    script = 'source "$1"; shift; COMP_WORDS=(fnr "$@"); COMP_CWORD=$#; _fnr fnr "${@: -1}" "${COMP_WORDS[COMP_CWORD-1]}"; printf "%s\\n" "${COMPREPLY[@]}"'
    file = os.path.join(PREFIX, "share/bash-completion/completions/fnr")
    result = subprocess.run(["bash", "-c", script, "bash", file, *words], capture_output=True, text=True)
    assert result.stderr == "", result
    return set(result.stdout.split())


def test_bash():
    assert complete("") == set(commands()) | {"help", "version"}
    assert complete("jo") == {"job"}
    assert complete("job", "") == {"list", "show", "watch", "cancel", "change", "log", "result", "get", "retry", "delete"}
    assert complete("job", "--project", "x", "re") == {"result", "retry"}
    assert complete("job", "list", "--state", "c") == {"cancelling", "completed", "cancelled"}
    assert complete("run", "noop", "--q") == {"--quality"}
    assert complete("run", "noop", "-q", "d") == {"draft"}
    assert complete("run", "noop", "--seed", "") == set()
    assert complete("help", "ba") == {"batch", "backup", "backend"}
    for command in commands():
        assert complete(command, "--") == set(options(command)) | {"--help"}, command


@pytest.mark.parametrize("shell, file", [("bash", "bash-completion/completions/fnr"), ("zsh", "zsh/site-functions/_fnr"),
                                         ("fish", "fish/vendor_completions.d/fnr.fish")])
def test_every_shell(shell, file):
    text = good(run("completion", shell))
    with open(os.path.join(PREFIX, "share", file)) as installed:
        assert installed.read() == text
    for command in commands():
        assert command in text
        for option in options(command):
            assert (option if shell != "fish" else f" -l {option[2:]} ") in text or option == "--help", (command, option)
    if shutil.which(shell):
        subprocess.run([shell, "-n", os.path.join(PREFIX, "share", file)], check=True)
