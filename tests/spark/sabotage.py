"""Makes real workers misbehave: Python runs a ``sitecustomize`` found on PYTHONPATH, in every process."""

import os
from textwrap import dedent, indent

from tests.spark.conftest import ROOT, environment

_SITECUSTOMIZE = """
import importlib.util, os, signal, sys, time

calls = 0

def sabotage(stream):
    global calls
    calls += 1
BODY

class Finder:
    def find_spec(self, name, path=None, target=None):
        if name != "fma_prep.audio.digitize":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        load = spec.loader.exec_module

        def exec_module(module):
            load(module)
            original = module.digitize
            module.digitize = lambda stream, recipe: (sabotage(stream), original(stream, recipe))[1]

        spec.loader.exec_module = exec_module
        return spec

sys.meta_path.insert(0, Finder())
"""


def sabotaged(folder, body):
    """Return an environment in which every Python process runs `body` before it digitises a `stream`.

    `calls` counts the tracks that the process has begun.
    """
    folder = folder / "sabotage"
    folder.mkdir()
    code = _SITECUSTOMIZE.replace("BODY", indent(dedent(body), "    "))
    (folder / "sitecustomize.py").write_text(code)
    return environment(PYTHONPATH=f"{folder}{os.pathsep}{ROOT}")
