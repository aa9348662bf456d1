"""Processes that a test starts: their environment, and the command."""

import os
import subprocess
import sys


def path_env():
    """Return an environment in which Python finds the package, and the tests' own modules."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}


def halfstep(*arguments, cwd):
    """Run the command in a folder, and return what came of it."""
    program = [sys.executable, "-m", "halfstep", *map(str, arguments)]
    return subprocess.run(
        program, capture_output=True, text=True, env=path_env(), cwd=cwd, check=False
    )
