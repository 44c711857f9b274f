"""Loaded by schemathesis: names in addresses are mostly names of things that are there, so that more is asked than what is unknown."""

import os
import random

import schemathesis

KNOWN = {
    "templates": {"id": ["noop", "create_title_card", "create_title_card@1"], "version": ["1.0.0"]},
    "presets": {"id": ["draft", "high", "low"]},
    "queues": {"queue": ["cpu", "gpu"]},
    "jobs": {"id": [os.environ["FNR_SOME_JOB"]], "name": ["image"]},
    "projects": {"project": ["some"], "shot": ["shot"], "take": [1]},
    "backends": {"id": ["local"]},
    "workers": {"id": ["w1"]},
}


@schemathesis.hook
def map_path_parameters(context, path_parameters):
    if not path_parameters:
        return path_parameters
    kind = context.operation.path.split("/")[3]
    chooser = random.Random(repr(sorted(path_parameters.items())))      # the same for the same case
    return {name: chooser.choice(KNOWN[kind][name]) if name in KNOWN.get(kind, {}) and chooser.random() < 0.8 else value
            for name, value in path_parameters.items()}
