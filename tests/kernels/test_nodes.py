"""Machines with several NUMA nodes, made up from files like those of Linux."""

import os
import threading

import numpy as np
import pytest

from halfstep.kernels import nodes
from halfstep.kernels.cpu.threads import spread
from halfstep.solvers.fit.weights import weigh


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """Return a function that makes up a machine from the list of cores of each node."""

    def make(*lists: str) -> tuple[frozenset[int], ...]:
        for place, text in enumerate(lists):
            (tmp_path / f"node{place}").mkdir()
            (tmp_path / f"node{place}" / "cpulist").write_text(f"{text}\n")
        found = nodes.read_nodes(tmp_path)
        monkeypatch.setattr(nodes, "nodes", lambda: found)
        return found

    return make


@pytest.mark.parametrize(
    ("text", "cores"),
    [("0-3,8", {0, 1, 2, 3, 8}), ("5", {5}), ("", set()), ("0-1,4-5\n", {0, 1, 4, 5})],
)
def test_lists_of_cores_are_read(text, cores):
    assert nodes.cores_of(text) == cores


def test_nodes_are_read_in_their_order_without_those_that_have_memory_alone(machine):
    lists = [f"{2 * k}-{2 * k + 1}" for k in range(11)]
    lists[3] = ""
    found = machine(*lists)
    assert len(found) == 10
    assert found[2:4] == ({4, 5}, {8, 9})  # node10 comes after node9, and not after node1


def test_a_machine_that_says_nothing_has_no_nodes(tmp_path):
    assert nodes.read_nodes(tmp_path / "absent") == ()
    (tmp_path / "node0").mkdir()
    (tmp_path / "node0" / "cpulist").write_text("a-b")
    assert nodes.read_nodes(tmp_path) == ()


def settled(monkeypatch, allowed, worker):
    chosen = []
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(allowed), raising=False)
    monkeypatch.setattr(
        os, "sched_setaffinity", lambda _, cores: chosen.append(cores), raising=False
    )
    monkeypatch.setattr(nodes, "_where", threading.local())
    nodes.settle(worker, nodes.allowed())
    nodes.settle(worker, nodes.allowed())  # it is there already
    return chosen


def test_workers_take_turns_on_the_nodes(machine, monkeypatch):
    machine("0-3", "4-7")
    assert settled(monkeypatch, range(8), 1) == [{4, 5, 6, 7}]
    assert settled(monkeypatch, range(8), 2) == [{0, 1, 2, 3}]
    # A process that may use some cores alone gets no others.
    assert settled(monkeypatch, {1, 5, 6}, 1) == [{5, 6}]
    assert settled(monkeypatch, {4, 6}, 1) == []


def test_on_one_node_no_thread_is_settled_and_nothing_is_copied(machine, monkeypatch):
    machine("0-7")
    assert settled(monkeypatch, range(8), 1) == []
    array = np.zeros(1 << 21, np.float32)
    assert nodes.shared_out(array, None) is array


def test_the_threads_of_a_half_step_settle_and_the_callers_does_not(machine, monkeypatch):
    machine("0", "1")
    where = {}
    monkeypatch.setattr(
        nodes, "settle", lambda worker, may: where.update({threading.get_ident(): worker})
    )
    barrier = threading.Barrier(3, timeout=10)
    spread(range(3), 3, lambda: None, lambda task, state: barrier.wait())
    assert sorted(where.values()) == [1, 2]
    assert threading.get_ident() not in where


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no affinity on this system")
def test_kept_threads_follow_the_cores_that_the_caller_may_use():
    every = os.sched_getaffinity(0)
    found = []

    def look(task, state):
        barrier.wait()
        if threading.get_ident() != caller:
            found.append(os.sched_getaffinity(0))

    caller = threading.get_ident()
    try:
        for may in (every, {min(every)}, every):
            barrier = threading.Barrier(2, timeout=10)
            os.sched_setaffinity(0, may)
            spread(range(2), 2, lambda: None, look)
    finally:
        os.sched_setaffinity(0, every)
    if len(nodes.nodes()) < 2:
        assert found == [every, {min(every)}, every]


def test_entries_are_copied_by_all_threads_where_there_are_several_nodes(machine, monkeypatch):
    machine("0", "1")
    monkeypatch.setattr(nodes, "settle", lambda worker, may: None)
    monkeypatch.setattr(nodes, "_LEAST_BYTES", 1000)
    monkeypatch.setattr(nodes, "_PIECE_BYTES", 256)
    array = np.arange(1003, dtype=np.int32)
    writers = set()
    barrier = threading.Barrier(2, timeout=10)

    def both(pieces, copy):
        def run(piece, _):
            if len(writers) < 2:
                writers.add(threading.get_ident())
                barrier.wait()
            copy(piece)

        spread(pieces, 2, lambda: None, run)

    copied = nodes.shared_out(array, both)
    assert copied is not array
    np.testing.assert_array_equal(copied, array)
    assert len(writers) == 2
    small = np.arange(10)
    assert nodes.shared_out(small, both) is small


def test_weights_are_the_same_on_several_nodes_and_share_nothing(machine, monkeypatch, two_tastes):
    matrix = two_tastes.interactions.astype(np.float32)
    one = weigh(matrix, num_threads=2)
    assert np.may_share_memory(one.indices, matrix.indices)
    machine("0", "1")
    monkeypatch.setattr(nodes, "settle", lambda worker, may: None)
    monkeypatch.setattr(nodes, "_LEAST_BYTES", 0)
    several = weigh(matrix, num_threads=2)
    for name in ("indices", "values"):
        np.testing.assert_array_equal(getattr(several, name), getattr(one, name))
        assert not np.may_share_memory(getattr(several, name), matrix.data)
        assert not np.may_share_memory(getattr(several, name), matrix.indices)
