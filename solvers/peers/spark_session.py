"""One Java process with one Spark context, kept from fit to fit and ended with Python.

A JVM takes seconds to start and compiles what runs often, so that a fresh one for every fit would be
slower than anybody's Spark. The context is on this machine alone: it listens on 127.0.0.1, has no web
page, and keeps its files in a temporary folder. What Java writes on its error output goes to a file
there, and is shown only where Java does not start.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from halfstep.errors import SolverUnavailable

INSTALL = 'pip install "halfstep[spark]"'
JAVA = "apt-get install default-jre-headless, or any Java that pyspark runs with (17 or 21)"
_QUIET = "rootLogger.level = off\n"


@dataclass(eq=False)
class Session:
    """A running Spark.

    Attributes
    ----------
    spark
        The `SparkSession`.
    threads
        N of its master `local[N]`.
    folder
        Its temporary folder, which goes when the session ends.
    """

    spark: Any
    gateway: Any
    threads: int
    folder: Path


_running: list[Session] = []


def why_unavailable() -> str | None:
    """Return why Spark cannot run here and what to install, or None; starts no Java."""
    try:
        found = find_spec("pyspark") is not None
    except (ImportError, ValueError):
        found = False
    if not found:
        return f"pyspark is not installed: {INSTALL}"
    home = os.environ.get("JAVA_HOME")
    if home:
        if shutil.which("java", path=os.path.join(home, "bin")) is None:
            return f"Spark needs Java, and JAVA_HOME names a folder without bin/java: {home}"
    elif shutil.which("java") is None:
        return f"Spark needs Java, and there is no command 'java': {JAVA}"
    return None


def session(threads: int) -> Session:
    """Return the running Spark with `threads` threads; it is started, or started anew, if need be.

    Raises
    ------
    SolverUnavailable
        Java does not start; the message ends with what it wrote last.
    """
    if _running and _running[0].threads == threads:
        return _running[0]
    stop()
    _running.append(_start(threads))
    return _running[0]


def stop() -> None:
    """End Spark and its Java process, and remove the temporary folder; nothing happens without one."""
    while _running:
        held = _running.pop()
        with contextlib.suppress(Exception):
            held.spark.stop()
        _end(held.gateway, held.folder)


def _start(threads: int) -> Session:
    from pyspark import SparkConf, SparkContext, java_gateway
    from pyspark.sql import SparkSession

    folder = Path(tempfile.mkdtemp(prefix="halfstep-spark-"))
    (folder / "log4j2.properties").write_text(_QUIET)
    conf = SparkConf(loadDefaults=False).setMaster(f"local[{threads}]").setAppName("halfstep")
    for name, value in _settings(threads, folder).items():
        conf.set(name, value)
    said = folder / "java.txt"
    launch: Any = java_gateway.launch_gateway  # pyspark has types for some of its functions alone
    gateway = None
    try:
        with open(said, "wb") as output:
            kwargs = {"stdout": output, "stderr": subprocess.STDOUT}
            gateway = launch(conf, popen_kwargs=kwargs)
        context = SparkContext(conf=conf, gateway=gateway)
        return Session(SparkSession(context), gateway, threads, folder)
    except Exception as error:
        last = said.read_text(errors="replace").strip().splitlines() if said.exists() else []
        if gateway is None:
            shutil.rmtree(folder, ignore_errors=True)
        else:
            _end(gateway, folder)
        reason = last[-1] if last else " ".join(str(error).split())
        raise SolverUnavailable(
            f"solver 'spark' cannot run here: Java did not start ({reason})"
        ) from error


def _settings(threads: int, folder: Path) -> dict[str, str]:
    """Return Spark's settings for a context on this machine alone that says nothing."""
    return {
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.memory": f"{_heap_bytes() >> 20}m",
        # Java's default stack is too small for the chain of some twenty iterations.
        "spark.driver.extraJavaOptions": (
            f"-Xss16m -Dlog4j2.configurationFile={(folder / 'log4j2.properties').as_uri()}"
        ),
        "spark.local.dir": str(folder),
        "spark.sql.warehouse.dir": str(folder / "warehouse"),
        # By default 200 parts, which on one machine would be mostly empty.
        "spark.sql.shuffle.partitions": str(threads),
        "spark.default.parallelism": str(threads),
    }


def _heap_bytes() -> int:
    """Return the largest size of Java's heap: half of the free memory, at least Spark's 1 GiB."""
    from halfstep.memory import available

    return max(1 << 30, (available() or 0) // 2)


def _end(gateway: Any, folder: Path) -> None:
    """End a gateway's Java process."""
    from pyspark import SparkContext

    with contextlib.suppress(Exception):
        gateway.shutdown()
    process = gateway.proc
    if process is not None:
        # Java ends by itself when its input does.
        process.stdin.close()
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    # pyspark keeps them for the next context, which would speak to a process that has ended.
    SparkContext._gateway = SparkContext._jvm = None
    shutil.rmtree(folder, ignore_errors=True)


atexit.register(stop)
