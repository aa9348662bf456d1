"""Run a notebook from its beginning and write it with its results as one page.

The kernel gets a folder of its own for its connection, its settings and all temporary files, which is
removed in the end, whatever the end is.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from halfstep.errors import InputError
from halfstep.files import whole_file
from halfstep.lab.notebook import read_notebook
from halfstep.progress import count_bar

_DUMP = "HALFSTEP_AUDIOSCROBBLER"
_NEEDED = 'running a notebook needs {}: pip install "halfstep[lab]"'


def run_notebook(path: Path, output: Path, seconds: int = 1200) -> None:
    """Execute a notebook and write it with its results as one HTML page that needs no network.

    If a cell fails, the page ends with this cell and says so at its top and its end.

    Parameters
    ----------
    path, output
        The notebook, an `.ipynb` file of version 4, and the page.
    seconds
        How long one cell may run.

    Raises
    ------
    InputError
        A cell fails or takes too long (the message has its number and the error), the file is not a
        notebook, or a package is missing.
    KeyboardInterrupt
        The run is interrupted; no page is written.
    """
    try:
        from halfstep.lab.page import page_of
    except ImportError as error:
        raise InputError(_NEEDED.format(error.name)) from error
    notebook, stopped = executed(path, seconds)
    page = page_of(notebook, path.stem, stopped)
    with whole_file(output) as file:
        file.write(page.encode())
    if stopped:
        raise InputError(f"{path}: {stopped}; '{output}' has the page up to this cell")


def executed(path: Path, seconds: int = 1200) -> tuple[Any, str]:
    """Return a notebook with its results, and "" or why it ends with the cell that failed.

    Raises
    ------
    InputError
        The file is not a notebook, or a package is missing.
    """
    try:
        import nbformat
    except ImportError as error:
        raise InputError(_NEEDED.format(error.name)) from error
    reads: Any = nbformat.reads
    text = json.dumps(read_notebook(path))
    try:
        notebook = reads(text, as_version=4)
    except Exception as error:  # converting another version may raise anything
        reason = " ".join(str(error).split())
        raise InputError(f"{path}: not a notebook of version 4: {reason}") from error
    stopped = _execute(notebook, path, seconds)
    if stopped is None:
        return notebook, ""
    cell, reason = stopped
    notebook.cells = notebook.cells[:cell]
    return notebook, f"cell {cell} {reason}"


def _execute(notebook: Any, path: Path, seconds: int) -> tuple[int, str] | None:
    """Execute a notebook in place; return the number and the error of the cell that ended the run."""
    try:
        import ipykernel  # noqa: F401 - the kernel that the client starts
        from nbclient import NotebookClient
        from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
    except ImportError as error:
        raise InputError(_NEEDED.format(error.name)) from error
    # The kernel listens on this machine only, and warns about it at every start.
    quiet = ["--Application.log_level=ERROR"]
    client = NotebookClient(
        notebook,
        timeout=seconds,
        kernel_name="python3",
        extra_arguments=quiet,
        store_widget_state=False,
        log=_silent(),
    )
    code = sum(cell.cell_type == "code" and bool(cell.source.strip()) for cell in notebook.cells)
    with (
        _terminated_is_interrupted(),
        TemporaryDirectory(prefix="halfstep-lab-", ignore_cleanup_errors=True) as folder,
        count_bar(f"running {path.name}", code, "cells") as advance,
    ):
        client.on_cell_executed = lambda **_: advance(1)
        client.reset_execution_trackers()
        manager = client.create_kernel_manager()
        manager.connection_file = str(Path(folder) / "kernel.json")
        manager.kernel_spec_manager = _this_python()
        # Not `client.execute`, whose handler of Ctrl-C ends in an error of its own.
        with client.setup_kernel(cwd=str(path.parent), env=_surroundings(folder)):
            for place, cell in enumerate(notebook.cells):
                try:
                    client.execute_cell(cell, place)
                except CellExecutionError as error:
                    said = " ".join(f"{error.ename}: {error.evalue}".split())
                    return place + 1, f"fails: {said}"
                except CellTimeoutError:
                    unit = "second" if seconds == 1 else "seconds"
                    return place + 1, f"takes more than {seconds} {unit}"
                except DeadKernelError:
                    return place + 1, "ends its process; is there enough memory?"
                except BaseException:
                    client.shutdown_kernel = "immediate"  # nobody waits for its cell
                    raise
    return None


@contextmanager
def _terminated_is_interrupted() -> Iterator[None]:
    """Let SIGTERM end the block like Ctrl-C does, so that what it began is cleared away."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _silent() -> logging.Logger:
    """Return a logger that says nothing: what matters is raised."""
    logger = logging.getLogger("halfstep.lab.client")
    logger.propagate, logger.disabled = False, True
    return logger


def _this_python() -> Any:
    """Return a finder of kernels that knows one: this Python, whatever else is installed by its name."""
    from ipykernel.kernelspec import get_kernel_dict
    from jupyter_client.kernelspec import KernelSpec, KernelSpecManager

    class ThisPython(KernelSpecManager):
        def get_kernel_spec(self, kernel_name: str) -> Any:
            return KernelSpec(**get_kernel_dict())

    return ThisPython()


def _surroundings(folder: str) -> dict[str, str]:
    """Return the environment of the kernel: what it would leave behind goes to `folder`."""
    places = dict.fromkeys(("TMPDIR", "TMP", "TEMP", "JUPYTER_RUNTIME_DIR"), folder)
    if os.environ.get(_DUMP):  # the kernel starts in the notebook's folder
        places[_DUMP] = os.path.abspath(os.environ[_DUMP])
    return {**os.environ, **places, "IPYTHONDIR": str(Path(folder) / "ipython")}
