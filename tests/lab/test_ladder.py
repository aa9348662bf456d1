"""The check of the ladder's exercises tells the truth: what is right, what is wrong, where and why."""

from types import SimpleNamespace

import numpy as np
import pytest
from cases.rows import reported
from scipy import sparse
from solutions import SOLUTIONS, bins_of_degrees, steps_taken

from halfstep import SOLVERS
from halfstep.lab.check import LADDER as LISTED
from halfstep.lab.check import check
from halfstep.lab.ladder.listing import LADDER
from halfstep.solvers.fit.weights import weigh
from halfstep.solvers.gpu.cg_5_binned import bins_of
from halfstep.solvers.gpu.cg_6_split import _parts

# A solution's text, what stands in its place, the call that is wrong, and what is said of it.
MUTATIONS = [
    ("steps_taken", "g = (g - a) / (g - a + new / rr)", "g = 1", "heavy weights", "g stays 1"),
    ("steps_taken", "gained + a * rr", "a * rr", "heavy weights", "only the last step's gain"),
    ("steps_taken", "gained + a * rr", "gained + rr", "heavy weights", "without its length"),
    ("steps_taken", "theta * gained", "gained", "mild weights", "theta is left out"),
    ("steps_taken", "theta * gained", "theta * (b @ b)", "heavy weights", "it must be"),
    ("steps_taken", "return taken", "return taken - (taken > 0)", "mild weights", "last step is not"),
    ("steps_taken", "return taken", "return taken + 1", "mild weights", "one step is counted too"),
    (
        "steps_taken",
        "        if g * new <=",
        "        if (old - a) * rr <=",
        "mild weights",
        "the old residual bounds",
    ),
    ("subspace_half_step", "A @ result[row]", "A @ X[row]", "blocks of 2", "does not see what"),
    ("subspace_half_step", "last] += ", "last] = ", "blocks of 2", "becomes d, not x + d"),
    ("subspace_half_step", "diag(w)", "diag(1 + w)", "blocks of 2", "add c instead of c - 1"),
    ("subspace_half_step", "regularization * np.eye(f)", "0", "blocks of 2", "lambda is left out"),
    (
        "subspace_half_step",
        "- A @ result[row]",
        "- (A - regularization * np.eye(f)) @ result[row]",
        "blocks of 2",
        "the residual lacks lambda x",
    ),
    (
        "subspace_half_step",
        "range(0, f, block)",
        "range(0, f - block + 1, block)",
        "blocks of 3, the last one of 1",
        "the last, shorter block is left out",
    ),
    ("block_sum", "while len(warp)", "return values.sum()\n        while len(warp)", "one warp",
     "NumPy adds"),
    ("block_sum", "warp[:half] + warp[half:]", "warp[::2] + warp[1::2]", "one warp", "neighbours"),
    ("block_sum", "range(0, len(values), 32)", "range(0, len(values), 32)[::-1]", "four warps",
     "from the last one on"),
    ("block_sum", "range(0, len(values), 32)", "range(0, len(values) // 32 * 32, 32)", "300 values",
     "not full are left out"),
    ("block_sum", "total = np.float32(0)", "return np.float32(values.astype(float).sum())",
     "one warp", "in float64 and then rounded"),
    ("block_sum", "total = np.float32(0)", "return values.astype(float).sum()", "one warp",
     "must be float32, got float64, "),
    ("whitened_product", "p + ", "", "1 entries, 3 factors", "the part of I, is left out"),
    ("whitened_product", "(w * (Z @ p))", "(Z @ p)", "1 entries, 3 factors", "weights are left out"),
    ("whitened_product", "(w * (Z", "(w * w * (Z", "1 entries, 3 factors", "multiplied twice"),
    ("whitened_product", "p + Z.T @ (w * (Z @ p))", "(np.eye(len(p)) + (Z.T * w) @ Z) @ p",
     "4 entries, 700 factors", "as if it formed the matrix of 700 x 700 numbers"),
    ("butterfly_sum", "distance = 16", "distance = 8", "warp 1", "distance 16 is left out"),
    ("butterfly_sum", "while distance:", "while distance > 1:", "warp 1", "distance 1 is left out"),
    ("butterfly_sum", "lane ^ distance", "min(lane + distance, 31)", "warp 1", "it must be"),
    ("butterfly_sum", "lane ^ distance", "lane + distance if lane + distance < 32 else lane",
     "warp 1", "only lane 0 gets the sum"),
    ("butterfly_sum", "distance = 16", "return np.full(32, lanes.sum())", "warp 1", "NumPy adds"),
    ("butterfly_sum", "distance = 16", "return lanes.astype(float)", "warp 1", "must be float32"),
    ("bytes_gathered", "max(0, entries - kept)", "entries - kept",
     "30 entries, 128 factors, 3 steps, 40 kept", "saves more than it has"),
    ("bytes_gathered", "(first + steps * later)", "steps * later",
     "100 entries, 64 factors, 2 steps, 0 kept", "the residual is left out"),
    ("bytes_gathered", "max(0, entries - kept)", "entries",
     "100 entries, 64 factors, 2 steps, 40 kept", "every pass gathers all entries"),
    ("bytes_gathered", "max(0, entries - kept)", "0",
     "100 entries, 64 factors, 2 steps, 0 kept", "all entries are kept"),
    ("bytes_gathered", "* itemsize", "* 4",
     "5000 entries, 128 factors, 5 steps, 416 kept, 2 bytes a number", "has 4 bytes"),
    ("bytes_gathered", "* itemsize", "", "100 entries, 64 factors, 2 steps, 0 kept", "not bytes"),
    ("bins_of_degrees", "-degrees[row]", "degrees[row]", "five rows", "the order of the rows"),
    ("bins_of_degrees", "-degrees[row], row", "-degrees[row], -row", "equal degrees", "reverse"),
    ("bins_of_degrees", "> limit", ">= limit", "equal degrees", "exactly limits[k] entries"),
    ("bins_of_degrees", "degrees > limit", "degrees <= limit", "five rows", "from the end"),
    ("bins_of_degrees", "return order, begins", "return order", "five rows", "two arrays"),
    ("pieces_of_hub", "(block < longer)", "0", "10 entries, 4 blocks", "2 of 10 entries are left"),
    ("pieces_of_hub", "(block < longer)", "longer * (block == blocks - 1)", "10 entries, 4 blocks",
     "sizes differ by more than one"),
    ("pieces_of_hub", "append((at, stop))", "append((at, stop - 1))", "12 entries, 4 blocks",
     "piece 1 begins at 3, and piece 0 stops at 2: entries between them are left out"),
    ("pieces_of_hub", "append((at, stop))", "append((at, stop + 1))", "12 entries, 4 blocks",
     "piece 1 begins at 3, and piece 0 stops at 4: they overlap"),
    ("pieces_of_hub", "return pieces", "return pieces[:-1]", "12 entries, 4 blocks",
     "there are 3 pieces for 4 blocks"),
    ("pieces_of_hub", "return pieces", "return [at for at, _ in pieces]", "12 entries, 4 blocks",
     "a list of pairs"),
    ("to_bfloat16", "upper + up)", "upper)", "ordinary numbers", "cut off, not rounded"),
    ("to_bfloat16", " & (upper % 2 == 1)", "", "halfway between two", "are rounded up"),
    ("to_bfloat16", " | ((lower == 0x8000) & (upper % 2 == 1))", "", "halfway between two",
     "are rounded down"),
    ("to_bfloat16", "np.isnan(values)", "False", "NaNs", "a NaN is rounded like a number"),
    ("to_bfloat16", "astype(np.uint16)", "astype(np.uint32)", "ordinary numbers", "must be uint16"),
    ("to_bfloat16", "bits = ", "return values.astype(np.float16).view(np.uint16)\n    bits = ",
     "ordinary numbers", "float16, another format"),
    ("to_bfloat16", "up = (", "up = (abs(values) >= 2.0**-126) & (", "near zero, subnormals",
     "it must be"),
    ("tensor_core_product", "A.astype(np.float16)", "A", "numbers that float16 must round",
     "A is not rounded"),
    ("tensor_core_product", "B.astype(np.float16)", "B", "numbers that float16 must round",
     "B is not rounded"),
    ("tensor_core_product", "1]), np.float32)", "1]))", "a large sum, and small products after it",
     "the sum is in float64"),
    ("tensor_core_product", "range(0, A.shape[1], 16)", "[0]", "numbers that float16 must round",
     "only the first tile"),
    ("one_pass_or_steps", "(steps + 1)", "steps", "500 entries, 128 factors, 2 steps",
     "the residual is not counted"),
    ("one_pass_or_steps", "/ 6", "/ 3", "500 entries, 128 factors, 2 steps", "f^3 / 3"),
    ("one_pass_or_steps", "3 * entries", "entries", "500 entries, 128 factors, 2 steps",
     "counts as one multiply-add"),
    ("one_pass_or_steps", " < ", " <= ", "32 entries, 24 factors, 1 steps", "equal costs"),
    ("one_pass_or_steps", '"one pass" if', "1 if", "100,000 entries, 128 factors, 2 steps",
     'must return "one pass" or "steps", got 1'),
    ("packed_cholesky", "return L", "L[[f * (f + 1) // 2 - 1]] **= -1\n    return L", "order 3",
     "relative error"),
    ("packed_cholesky", "np.sqrt(left)", "left", "order 3", "relative error"),
    ("packed_cholesky", "f = len(A)", "return A[np.tril_indices(len(A))]", "order 3",
     "A itself is packed"),
    ("packed_cholesky", "f = len(A)", "return np.linalg.cholesky(A).T[np.triu_indices(len(A))]",
     "order 3", "column after column"),
    ("packed_cholesky", "f = len(A)", "return np.linalg.cholesky(A)", "order 3",
     "must have shape (6,), got (3, 3)"),
    ("best_items", "(-score, ", "(score, ", "8 items, no two alike", "the worst items come first"),
    ("best_items", "first + k)", "k)", "8 items, no two alike", "it must be"),
    ("best_items", "first + k)", "-first - k)", "8 items, no two alike", "it must be"),
    ("best_items", "best += ", "best = ", "8 items, no two alike", "only the last tile counts"),
    ("best_items", "range(0, len(scores), tile)", "range(0, len(scores) // tile * tile, tile)",
     "best items in the last, shorter tile", "shorter tile is left out"),
    ("best_items", "sorted(best)[:n]", "sorted(best)[:n] if len(best) <= n or n > 3 else "
     "sorted(best, key=lambda one: one[1])[:n]", "8 items, no two alike", "it must be"),
    ("best_items", "best = []", "return np.argsort(-scores, kind='stable')[:n]",
     "fewer items than are asked for", "must have shape (8,), got (5,)"),
    ("best_items", "best = []", "best = list(np.argsort(-scores, kind='stable')[:n])\n"
     "    return np.array(best + [-1] * (n - len(best)))", "60,000 items, tiles of 500",
     "as many as all 60,000 scores take"),
]  # fmt: skip


def checked(tmp_path, source, exercise=None):
    path = tmp_path / "mine.py"
    path.write_text("import numpy as np\n\n\n" + source)
    return {finding.exercise: finding for finding in check(path, exercise)}


def test_the_solutions_are_right(tmp_path):
    found = checked(tmp_path, "\n\n".join(SOLUTIONS.values()))
    assert {
        name: (one.state, one.said) for name, one in found.items() if one.state != "right"
    } == {}
    assert list(found) == list(SOLUTIONS) == list(LADDER) == list(LISTED)


@pytest.mark.parametrize(("name", "old", "new", "step", "says"), MUTATIONS)
def test_a_mistake_is_named(tmp_path, name, old, new, step, says):
    source = SOLUTIONS[name]
    assert old in source
    changed = source.replace(old, new, 1)
    if "(old - a)" in new:
        changed = changed.replace("g = (g - a)", "old, g = g, (g - a)")
    wrong = checked(tmp_path, changed, name)[name]
    assert (wrong.state, wrong.step) == ("wrong", step), wrong
    assert says in wrong.said
    assert wrong.expected
    assert wrong.got
    assert wrong.expected != wrong.got


@pytest.mark.parametrize("name", LADDER)
def test_every_mistake_is_wrong_and_is_told_by_its_name(name):
    """Each of them makes a wrong result in at least one call, and its name is in what is said."""
    exercise = LADDER[name]
    for mistake, function in exercise.mistakes.items():
        with np.errstate(all="ignore"):
            judged = [judge() for _, _, judge in list(exercise.calls(function))]
        wrong = [one.said for one in judged if one.state == "wrong"]
        assert wrong, mistake
        assert any(said.endswith(f"the same as when {mistake}") for said in wrong), (mistake, wrong)


@pytest.mark.parametrize("name", LADDER)
def test_what_is_said_of_a_body_that_is_open_fails_or_returns_another_kind(tmp_path, name):
    def of(body):
        return checked(tmp_path, f"def {name}(*given):\n    {body}\n", name)[name]

    assert (of("raise NotImplementedError").state, of("pass").state) == ("open", "open")
    failed = of("return [][3]")
    assert failed.state == "failed"
    assert failed.said == "IndexError: list index out of range (line 5)"
    assert failed.expected == LADDER[name].returns
    for body in ("return np.zeros((9, 9, 2))", "return 'words'", "return []", "return True"):
        assert of(body).state in ("wrong", "failed"), body
    assert "shape" in of("return np.zeros((9, 9, 2))").said or name in (
        *("steps_taken", "bytes_gathered", "bins_of_degrees", "pieces_of_hub"),
        "one_pass_or_steps",
    )


@pytest.mark.parametrize("name", LADDER)
def test_a_problem_is_the_same_every_time_and_no_call_changes_it(name):
    def spoiling(*arguments):
        for one in arguments:
            if isinstance(one, np.ndarray):
                one[...] = 0
        return

    before = LADDER[name].problems()
    for problem in before:
        problem.answer(spoiling)
    for one, other in zip(before, LADDER[name].problems(), strict=True):
        same = LADDER[name].compare(
            one.answer(LADDER[name].right), other.answer(LADDER[name].right)
        )
        assert (one.name, same.state) == (other.name, "right")


def test_the_steps_are_those_that_the_solver_takes():
    """In rows whose shared matrix is 2 I, so that half of the system is whitened."""
    rng = np.random.default_rng(3)
    Y = np.linalg.qr(rng.standard_normal((40, 16)))[0]
    model = SOLVERS["conjugate_gradient"](factors=16, dtype=np.float64, cg_tolerance=0.01)
    taken = []
    for entries, heaviest in ((5, 0.3), (20, 2.0), (30, 3.0)):
        stored = np.sort(rng.choice(40, entries, replace=False))
        plays = 1 + 10 ** rng.uniform(-1, heaviest, entries)  # of "implicit" weights, w = r - 1
        row = sparse.csr_matrix((plays, stored, [0, entries]), shape=(1, 40))
        half = weigh(row, dtype="float64", regularization=1.0).fixing(Y)
        x, Z = rng.standard_normal(16) / 9, Y[half.indices]
        A = 2 * np.eye(16) + (Z.T * half.w) @ Z
        taken.append(steps_taken(A / 2, Z.T @ half.t / 2, x, 0.01))
        assert reported(model, half, x[None, :])[1].steps == taken[-1]
    assert taken == sorted(set(taken))


def test_bins_and_pieces_are_the_kernels():
    backend = SimpleNamespace(to_device=np.asarray)
    degrees = np.random.default_rng(4).integers(0, 90, 200)
    side = SimpleNamespace(lengths=degrees, kept={})
    limits = [16, 40, 64]
    bins = bins_of(backend, side, limits, ruled=False)
    order, begins = bins_of_degrees(degrees, limits)
    ends = [len(degrees), *begins]
    for k, rows in enumerate(bins.rows):
        assert rows.tolist() == order[begins[k] : ends[k]].tolist()
    assert bins.hubs.tolist() == order[: begins[-1]].tolist()
    lengths = np.array([9001, 5000, 1_000_001])
    hubs = SimpleNamespace(lengths=lengths, starts=np.zeros(3, np.int64), kept={})
    parts = _parts(backend, hubs, np.arange(3))
    for hub, length in enumerate(lengths):
        mine = parts.part_row == hub
        pairs = zip(parts.part_first[mine], parts.part_count[mine], strict=True)
        cut = [(int(first), int(first + count)) for first, count in pairs]
        right = [(0, int(length))] * len(cut)
        assert LADDER["pieces_of_hub"].compare(cut, right).state == "right"
