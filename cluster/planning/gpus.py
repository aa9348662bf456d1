"""The plan of a fit on GPUs, several in a node: rows are gathered once a node, and read over NVLink."""

from __future__ import annotations

from dataclasses import dataclass

from halfstep.distributed.facts import OTHER
from halfstep.distributed.planning.figures import Work
from halfstep.distributed.planning.share import share_needed
from halfstep.errors import InputError


@dataclass(frozen=True)
class Nodes:
    """Nodes with GPUs that read each other's memory.

    Attributes
    ----------
    nodes, gpus
        How many nodes, and the GPUs of each.
    memory
        Bytes of a GPU.
    link
        Bytes a second that a GPU reads from the others of its node.
    network
        Bytes a second into a node.
    local
        Bytes a second from a GPU's own memory.
    efficiency
        Of `link` and `local`, the part that reads of single rows reach in the slow case.
    """

    nodes: int
    gpus: int = 8
    memory: float = 80e9
    link: float = 450e9
    network: float = 8 * 400e9 / 8
    local: float = 3.35e12
    efficiency: float = 0.65

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not 0 < value < float("inf"):
                raise InputError(f"{name} must be positive, got {value}")


@dataclass(frozen=True)
class GpuPlan:
    """What a fit costs: bytes of a GPU, bytes into a node in an iteration, and seconds of an iteration.

    Attributes
    ----------
    fits
        Whether the memory is enough.
    seconds
        Of the network, and of reads over the link in the best case (each entry's row is read once, at
        full speed) and in the slow one (three times, at `efficiency`).
    """

    nodes: Nodes
    fits: bool
    memory: dict[str, float]
    node_bytes: float
    seconds: dict[str, float]

    @property
    def memory_bytes(self) -> float:
        """Of a GPU, all together."""
        return sum(self.memory.values())

    @property
    def best(self) -> float:
        """Seconds of an iteration in the best case."""
        return self.seconds["network"] + self.seconds["link, best"]

    @property
    def slow(self) -> float:
        """Seconds of an iteration in the slow case."""
        return self.seconds["network"] + self.seconds["link, slow"]


def gpu_plan(work: Work, nodes: Nodes) -> GpuPlan:
    """Return what a fit costs on GPUs. Rows travel as bfloat16."""
    count = nodes.nodes * nodes.gpus
    gathered = {}
    for side, fixed in OTHER.items():
        needed = share_needed(work.degrees(fixed), 1 / nodes.nodes)
        gathered[side] = work.rows(fixed) * needed * work.row_bytes
    received = sum(gathered.values()) * (1 - 1 / nodes.nodes)
    memory = {
        "entries": 2 * work.entries / count * 8,
        "factors, now and before": 2
        * (work.users + work.items)
        / count
        * work.factors
        * work.itemsize,
        "gathered rows": max(gathered.values()) / nodes.gpus,
    }
    read = 2 * work.entries / count * work.row_bytes
    seconds = {
        "network": received / nodes.network,
        "link, best": read / nodes.link,
        "link, slow": 3 * read / (nodes.link * nodes.efficiency),
    }
    fits = sum(memory.values()) <= 0.9 * nodes.memory
    return GpuPlan(nodes, fits, memory, received, seconds)
