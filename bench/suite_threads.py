"""The suite `threads`: an iteration, phase by phase, with 1, 2, 4, ... and all threads.

`halfstep bench --suite threads` measures all in one go on whatever cores there are, up to 64, or up to
`--threads`. Fits take turns: in each round every number of threads has one, and each round begins with
another number. So what disturbs the machine for a while disturbs all of them, and ratios are formed
within a round.
"""

from __future__ import annotations

from collections.abc import Callable

from halfstep.bench.inputs import SplitDataset
from halfstep.bench.limits.amdahl import serial_fraction, thread_counts
from halfstep.bench.limits.fits import Recorded, fit
from halfstep.bench.limits.record import PhaseCell, PhaseRecord
from halfstep.bench.schema import Measure
from halfstep.bench.settings import BenchSettings
from halfstep.kernels.cpu.threads import cores
from halfstep.kernels.phases import PHASES

FACTORS = (64, 128)
DATA = ("music-medium", "plays-medium")
MOST = 64
ROUNDS = 3


def measure_threads(
    settings: BenchSettings, dataset: SplitDataset, data: int, say: Callable[[str], None]
) -> tuple[list[PhaseCell], list[Measure]]:
    """Return, for each f and number of threads, its iterations phase by phase."""
    counts = thread_counts(settings.num_threads or min(MOST, cores(0)))
    cells = []
    for factors in settings.factors or FACTORS:
        found: dict[int, list[Recorded]] = {threads: [] for threads in counts}
        for turn in range(ROUNDS):
            at = turn % len(counts)
            for threads in counts[at:] + counts[:at]:
                say(f"{dataset.record.name}, f = {factors}: {threads} threads, round {turn + 1}")
                each = fit(
                    dataset.train,
                    factors,
                    threads,
                    settings.repeats,
                    settings.seed,
                    settings.convention(),
                )
                found[threads].append(each)
        there = [_cell(fits, data, factors, threads) for threads, fits in found.items()]
        cells += there
        for line in fitted(there):
            say(f"{dataset.record.name}, f = {factors}: {line}")
    return cells, []


def fitted(cells: list[PhaseCell]) -> list[str]:
    """Return in words what each number of threads says of the serial fraction."""
    one = next(cell for cell in cells if cell.threads == 1)
    lines = []
    for cell in cells:
        if cell.threads > 1:
            s = serial_fraction(one.of_fit(), cell.of_fit(), cell.threads)
            times = one.median() / cell.median()
            lines.append(f"{cell.threads} threads: {times:.2f} times as fast, s = {100 * s:.1f} %")
    return lines


def _cell(fits: list[Recorded], data: int, factors: int, threads: int) -> PhaseCell:
    iterations = [phases for each in fits for phases in each.phases]
    names = [name for name in PHASES if any(name in phases for phases in iterations)]
    taken = {name: [phases[name] for phases in iterations if name in phases] for name in names}
    return PhaseCell(
        data=data,
        factors=factors,
        threads=threads,
        seconds=[seconds for each in fits for seconds in each.seconds],
        outside=[each.outside for each in fits],
        rounds=len(fits[0].seconds),
        steps=fits[-1].steps(),
        stored_bytes=0,
        phases=[
            PhaseRecord(name, [s.wall for s in each], [s.busy for s in each])
            for name, each in taken.items()
        ],
    )
