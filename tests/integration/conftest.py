"""Fixtures around system.System, and what holds for every test here: it may not hang, and a failure shows the log."""

import os
import signal

import pytest

from system import STARTED, System

TEST_SECONDS = 600
LOG_END = 3000


class Hangs(Exception):
    pass


def give_up(*_):
    raise Hangs(f"this test takes longer than {TEST_SECONDS} s")


def limited():
    """What runs next in this thread is interrupted when it takes too long; its fixtures then still end in good order."""
    signal.signal(signal.SIGALRM, give_up)
    signal.alarm(TEST_SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_setup(item):
    yield from limited()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_call(item):
    yield from limited()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    if report.failed:
        for system in dict.fromkeys(STARTED):
            if system.process and os.path.isdir(system.data):
                report.sections.append((f"end of the log of {system.data}", system.log_text()[-LOG_END:]))


@pytest.fixture(scope="module")
def server():
    """One for all tests of a file that do not disturb each other."""
    with System() as system:
        yield system


@pytest.fixture
def own_server():
    """One for this test alone, to kill, stop and start again at will."""
    with System("stop: {grace: 5}\n") as system:
        yield system
