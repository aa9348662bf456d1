"""The suites `roofline` and `threads`: their data sets one after the other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from halfstep.bench import suite_roofline, suite_threads
from halfstep.bench.inputs import load_data
from halfstep.bench.schema import Results
from halfstep.bench.settings import BenchSettings

SUITES = {
    "roofline": (suite_roofline.DATA, suite_roofline.measure_roofline),
    "threads": (suite_threads.DATA, suite_threads.measure_threads),
}


def run_limits(settings: BenchSettings, results: Results, say: Callable[[str], None]) -> Results:
    """Run the settings' suite on its data, or on the data of the settings, and return `results`.

    Parameters
    ----------
    results
        An empty record of the run, to which everything is added.
    """
    usual, measure = SUITES[settings.suite]
    for name in (settings.data,) if settings.data else usual:
        say(f"{name}: loading")
        here = replace(settings, data=name)
        dataset = load_data(here)
        results.data.append(dataset.record)
        cells, measures = measure(here, dataset, len(results.data) - 1, say)
        results.phases += cells
        results.measures += measures
    return results
