"""Bugs seeded into the real kernels, each of which at least one proof must find.

A mutation is a piece of a kernel's text and what stands in its place. One whose piece is no longer
there, or is there more than once, fails: it has to be written anew for the changed kernel.
"""

import json
import subprocess
import sys
from dataclasses import dataclass

import pytest
from cases import gpu_tensor_bugs, gpu_top_k_bugs, sanitizer_program
from emulator import build, sanitize

from halfstep.kernels.cuda import sources

PROGRAM = sanitizer_program.__file__
CAUGHT = 3  # the program's exit code for a wrong result or an error that the emulator reports


@dataclass(frozen=True)
class Mutation:
    """One bug: what it is, where, and which proof finds it.

    The proof is "result" or a sanitizer, and one of the program's checks; with "" they all run, until
    one finds the bug.
    """

    bug: str
    rung: str
    file: str
    before: str
    after: str
    found_by: str = "result"
    check: str = ""


NAIVE = ("gpu_cg_1_naive", "cg_1_naive.cu")
SUMS = ("gpu_cg_1_naive", "sums.cuh")
EXACT = ("gpu_cholesky", "cholesky.cuh")
EXACT_PRIMAL = ("gpu_cholesky", "cholesky_1_primal.cu")
EXACT_DUAL = ("gpu_cholesky", "cholesky_1_dual.cu")
LANES = ("gpu_cg_5_binned", "lanes.cuh")
ENTRIES = ("gpu_cg_5_binned", "entries.cuh")
PACKED = ("gpu_cg_7_half", "entries.cuh")
WORDS = ("gpu_cg_7_half", "lanes.cuh")
GROUPS = ("gpu_cg_5_binned", "groups.cuh")
VECTORS = ("gpu_cg_5_binned", "cg.cuh")
STEPS = ("gpu_cg_6_split", "cg.cuh")
HUBS = ("gpu_cg_6_split", "cg_6_split.cu")
TALLY = ("gpu_cg_5_binned", "tally.cu")
HEAVY_ROWS = ("heavy", "heavy.cu")
SUMS_OF_ROWS = ("tally", "tally.cu")
SCORES = ("topk", "scores.cuh")
TOP_K = ("topk", "topk.cu")
RANKING = ("ranking", "ranking.cu")
WEIGH = ("overflow", "weigh.cu")
TRANSPOSE = ("transpose", "transpose.cu")
RESIDUAL = ("residual", "residual.cu")
AUDIT = ("audit", "audit.cu")
BARRIER = "__syncthreads();"
MUTATIONS = [
    Mutation("a sum is overwritten while it is read", *SUMS,
             f"    {BARRIER}  // other threads may still read the previous sum\n", "", "thread"),
    Mutation("a sum is read before it is written", *SUMS,
             f"part[threadIdx.x / 32] = v;\n    {BARRIER}", "part[threadIdx.x / 32] = v;", "thread"),
    Mutation("the vector is read before it is written", *NAIVE,
             f"shared_p[j] = p;\n            {BARRIER}", "shared_p[j] = p;", "thread"),
    Mutation("a barrier that only some threads reach", *NAIVE,
             f"if (mine) shared_p[j] = p;\n            {BARRIER}",
             f"if (mine) {{ shared_p[j] = p; {BARRIER} }}"),
    Mutation("half a warp in the mask", *SUMS, "0xffffffffu, v, o", "0x0000ffffu, v, o"),
    Mutation("a reduction that stops a step short", *SUMS, "o = 16; o > 0;", "o = 16; o > 1;"),
    Mutation("a warp is left out of a sum", *SUMS, "i = 1; i < WARPS;", "i = 1; i < WARPS - 1;"),
    Mutation("an entry too many", *NAIVE, "k < stop; k++", "k <= stop; k++"),
    Mutation("an entry too few", *NAIVE, "k < stop; k++", "k < stop - 1; k++"),
    Mutation("no guard of the last factors", *NAIVE, "mine = j < F;", "mine = true;", "address"),
    Mutation("an empty row ends its block", *NAIVE,
             "X[u * F + j] = 0;\n            continue;", "X[u * F + j] = 0;\n            return;"),
    Mutation("a row is skipped", *NAIVE, "u += gridDim.x", "u += gridDim.x + 1"),
    Mutation("entries beyond the row's end", *EXACT_PRIMAL, "entry(n) < depth && e < stop",
             "entry(n) < depth"),
    Mutation("the right-hand side is left out", *EXACT_PRIMAL,
             "k(n) == order ? side.t : side.w", "side.w"),
    Mutation("a hub's last part is left out", *EXACT_PRIMAL, "part < stop; part++",
             "part < stop - 1; part++"),
    Mutation("the factor is used before its rows are weighted", *EXACT_DUAL,
             f"x[e] *= root[e];\n        {BARRIER}", "x[e] *= root[e];", "thread"),
    Mutation("the corner is read before it is written", *EXACT,
             f"pivots, eps, corner, A);\n        {BARRIER}", "pivots, eps, corner, A);", "thread"),
    Mutation("the corner is taken before the panel is there", *EXACT,
             f"#endif\n        {BARRIER}\n        if (threadIdx.x < 32)",
             "#endif\n        if (threadIdx.x < 32)", "thread"),
    Mutation("the update reads rows that are not there yet", *EXACT,
             f"        {BARRIER}\n#if HELD\n        if (tile.there && tile.column >= below)",
             "#if HELD\n        if (tile.there && tile.column >= below)", "thread"),
    Mutation("the next panel is written while the last one is read", *EXACT,
             "top / PANEL % 2 * PANEL * step", "0", "thread"),
    Mutation("the next vectors are stored while these are read", *EXACT,
             "left = other;", "left = right;", "thread"),
    Mutation("vectors are read before they are stored", *EXACT,
             f"vectors.fetch(first, stop);\n        {BARRIER}", "vectors.fetch(first, stop);", "thread"),
    Mutation("rows of a tile in another order", *EXACT,
             "(4 * q ^ tile.turn()));\n                r", "4 * q);\n                r"),
    Mutation("unknowns below are solved from old ones", *EXACT,
             f"if (lane < size) x[top + lane] = own;\n        }}\n        {BARRIER}",
             "if (lane < size) x[top + lane] = own;\n        }", "thread"),
    Mutation("a reduction over a group that stops short", *GROUPS,
             "o = GROUP / 2; o > 0; o >>= 1) v +=", "o = GROUP / 2; o > 1; o >>= 1) v +="),
    Mutation("a mask that lacks the last lane", *GROUPS, "ALL 0xffffffffu", "ALL 0x7fffffffu"),
    Mutation("a sum over groups that leaves one half out", *LANES, "o < 32; o <<= 1", "o < 16; o <<= 1"),
    Mutation("no guard of the last piece", *LANES, "|| place_of(c) < WIDE", "|| true", "address"),
    Mutation("an entry too many", *ENTRIES,
             "valid = whole || k < row.count;", "valid = whole || k <= row.count;"),
    Mutation("more entries kept than there is room for", *ENTRIES,
             "? k < row.count && k < capacity", "? k < row.count"),
    Mutation("a batch counts as whole too early", *PACKED,
             "while (base + step <= inside) take", "while (base < inside) take"),
    Mutation("a batch counts as kept that is not", *PACKED,
             "shortest < capacity ? shortest : capacity", "shortest",
             check="exact rule"),
    Mutation("a dot product goes to another entry", *PACKED,
             "return a * (GROUP / AHEAD);", "return a;"),
    Mutation("an exchange that gives and keeps the same", *WORDS,
             "kept = upper ? v[i + n / 2] : v[i]", "kept = upper ? v[i] : v[i + n / 2]"),
    Mutation("the halves of a word change places", *WORDS,
             "v[2 * i] = pair.x;\n        v[2 * i + 1] = pair.y;",
             "v[2 * i] = pair.y;\n        v[2 * i + 1] = pair.x;"),
    Mutation("a unit whose reciprocal is another one's", *GROUPS, "254 - exponent", "255 - exponent"),
    Mutation("a row goes on from where it ended, not from its start", *STEPS,
             "start[e] + omega", "x[e] + omega",
             check="relaxed"),
    Mutation("a hub is relaxed at every step", *HUBS, "if (!goes && omega != 1)", "if (omega != 1)",
             check="relaxed"),
    Mutation("parts are added before they are there", *VECTORS,
             f"* WIDE, v);\n    {BARRIER}", "* WIDE, v);", "thread"),
    Mutation("the total is read before it is there", *VECTORS,
             f"total[j] = sum;\n    }}\n    {BARRIER}", "total[j] = sum;\n    }", "thread"),
    Mutation("rows beyond the last one", "gpu_cg_5_binned", "cg_5_binned.cu",
             "there = place < count;", "there = true;", "address"),
    Mutation("a hub's state is written while it is read", "gpu_cg_6_split", "cg_6_split.cu",
             f"    {BARRIER}  // all threads have read the state that changes now\n", "", "thread"),
    Mutation("a row never has enough steps", *STEPS, "left <= theta * gained", "false",
             check="rule"),
    Mutation("a row has enough at once", *STEPS, "left <= theta * gained", "true",
             check="rule"),
    Mutation("only the last step's gain counts", *STEPS, "done.gained += alpha", "done.gained = alpha",
             check="rule"),
    Mutation("the residual alone is the bound", *STEPS,
             "next < unspent ? next : unspent", "next",
             check="rule"),
    Mutation("what is left is not measured after the step", *STEPS,
             "fabs(1 - alpha) * rs", "rs",
             check="rule"),
    Mutation("one step suffices whatever the weights", *STEPS, "steps >= rule % HEAVY", "steps >= 1",
             check="rule"),
    Mutation("a hub forgets what it has gained", *HUBS, "= {mine[2], mine[3],", "= {0, mine[3],",
             check="rule"),
    Mutation("a hub goes on that has ended", *HUBS,
             "going[hub] = goes", "going[hub] = 1",
             check="rule"),
    Mutation("a hub has ended before it begins", *HUBS,
             "going[hub] = !rounding", "going[hub] = 0"),
    Mutation("negative weights are not seen", *TALLY, "|| weight < 0", "|| false",
             check="rule"),
    Mutation("negative weights of one lane alone are seen", *TALLY,
             "negative = __any_sync(ALL, negative);", "",
             check="rule"),
    Mutation("weights are added from half of the lanes", *SUMS_OF_ROWS,
             "sum += __shfl_xor_sync(ALL, sum, o);",
             "sum += o < 16 ? __shfl_xor_sync(ALL, sum, o) : 0;"),
    Mutation("a row too many", *SUMS_OF_ROWS, "if (u >= rows) return;", "", "address"),
    Mutation("rows are left out of the tally", *SUMS_OF_ROWS, "u += gridDim.x * 32ll",
             "u += gridDim.x * 33ll"),
    Mutation("the tally of half the lanes", *SUMS_OF_ROWS,
             "o = 16; o > 0; o >>= 1) {\n        const double",
             "o = 8; o > 0; o >>= 1) {\n        const double"),
    Mutation("heavy entries of half the lanes are seen", *HEAVY_ROWS,
             "heavy = __any_sync(ALL, heavy);", "heavy = __shfl_sync(ALL, heavy, 0);"),
    Mutation("a squared norm of half the numbers", *HEAVY_ROWS,
             "k < WIDE; k += 32", "k < WIDE / 2; k += 32"),
    Mutation("heavy rows stop as early as others", *STEPS, "left <= theta_heavy * gained", "true",
             check="heavy rule"),
    Mutation("every block of rows begins anew", *SUMS_OF_ROWS, "if (first) mine", "mine"),
    Mutation("the next slice is loaded while this one is read", *SCORES,
             f"        {BARRIER}  // other threads may still read the previous slice\n", "", "thread"),
    Mutation("a slice is read before it is loaded", *SCORES,
             f"        {BARRIER}\n#pragma unroll\n        for (int k = 0; k < SLICE",
             "#pragma unroll\n        for (int k = 0; k < SLICE", "thread"),
    Mutation("a sort whose lanes do not wait", *TOP_K,
             "            __syncwarp();\n        }\n}", "        }\n}", "thread"),
    Mutation("a buffer that overflows", *TOP_K,
             "count[a] > CAPACITY - ITEMS", "count[a] > CAPACITY", "address"),
    Mutation("half a warp votes", *TOP_K,
             "__ballot_sync(FULL, wanted)", "__ballot_sync(0xffffu, wanted)"),
    Mutation("held-out scores are ranked before they are there", *RANKING,
             f"= sum;\n    }}\n    {BARRIER}", "= sum;\n    }", "thread"),
    Mutation("a listed item too many", *RANKING,
             "if (e >= (long long)queries * k) return;", "", "address"),
    Mutation("pairs of a lane are left out", *RANKING, "gap = 16; gap > 0;", "gap = 16; gap > 1;"),
    Mutation("a tie counts as won", *RANKING, "<= score[a][b]", "< score[a][b]"),
    Mutation("the lowest position is read before it is there", *WEIGH,
             f"= first_wrong;\n    {BARRIER}", "= first_wrong;", "thread"),
    Mutation("odd lanes have no say in the lowest position", *WEIGH,
             "o = 16; o > 0; o >>= 1) {", "o = 16; o > 1; o >>= 1) {"),
    Mutation("an entry too many", *WEIGH, "k < entries;", "k <= entries;", "address"),
    Mutation("half a warp in the mask", *WEIGH, "0xffffffffu, first_wrong", "0xffffu, first_wrong"),
    Mutation("digits are counted before the counters are zero", *TRANSPOSE,
             "found[warp][d] = 0;\n    __syncwarp();", "found[warp][d] = 0;", "thread"),
    Mutation("the next place is changed while lanes still read it", *TRANSPOSE,
             "- 1)) : 0;\n        __syncwarp();", "- 1)) : 0;", "thread"),
    Mutation("the next place is read before it has been changed", *TRANSPOSE,
             "+= __popc(equal);\n        __syncwarp();", "+= __popc(equal);", "thread"),
    Mutation("a chunk's sums are overwritten while they are read", *TRANSPOSE,
             f"        {BARRIER}  // all threads have read the previous chunk's sums\n", "", "thread"),
    Mutation("a scan that stops a step short", *TRANSPOSE, "o = 1; o < 32;", "o = 1; o < 16;"),
    Mutation("rows beyond the last one", *TRANSPOSE, "if (u >= rows) return;", "", "address"),
    Mutation("a tile without its last entry", *TRANSPOSE,
             "return k < stop ?", "return k < stop - 1 ?"),
    Mutation("a vote that half a warp takes part in", *TRANSPOSE,
             "__match_any_sync(ALL,", "__match_any_sync(0xffffu,"),
    Mutation("a column starts after its first entry", *TRANSPOSE,
             "column[middle] < c", "column[middle] <= c"),
    Mutation("the solution is read before it is there", *RESIDUAL,
             f"x[j] = X[u * F + j];\n        {BARRIER}", "x[j] = X[u * F + j];", "thread"),
    Mutation("no guard of the last factors", *RESIDUAL, "mine = j < F;", "mine = true;", "address"),
    Mutation("an entry too few", *RESIDUAL, "k < indptr[u + 1];", "k < indptr[u + 1] - 1;"),
    Mutation("a row is skipped", *RESIDUAL, "u += gridDim.x", "u += gridDim.x + 1"),
    Mutation("the lowest row is read before it is there", *AUDIT,
             f"= first_wrong;\n    {BARRIER}", "= first_wrong;", "thread"),
    Mutation("a product that stops a step short", *AUDIT,
             "o = 16; o > 0; o >>= 1) z +=", "o = 16; o > 1; o >>= 1) z +="),
    Mutation("a factor too many", *AUDIT, "j < F; j += 32) dot", "j <= F; j += 32) dot", "address"),
    Mutation("half a warp votes", *AUDIT, "__all_sync(ALL,", "__all_sync(0xffffu,"),
    *(Mutation(bug, "topk_coarse", *where) for bug, *where in gpu_top_k_bugs.BUGS),
    *(Mutation(*bug) for bug in gpu_tensor_bugs.BUGS),
]  # fmt: skip


def mutated(mutation):
    """Return the file's text with the bug in it."""
    text = sources.path_of(mutation.file).read_text()
    times = text.count(mutation.before)
    assert times == 1, f"{mutation.file} has this {times} times, not once: {mutation.before!r}"
    return text.replace(mutation.before, mutation.after)


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda m: f"{m.file}: {m.bug}")
def test_every_mutation_still_applies(mutation):
    assert mutated(mutation) != sources.path_of(mutation.file).read_text()


@pytest.mark.kernels
@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda m: f"{m.file}: {m.bug}")
def test_every_seeded_bug_is_found(mutation, tmp_path):
    case = {
        "rung": mutation.rung,
        "check": mutation.check,
        "mutations": {mutation.file: mutated(mutation)},
    }
    (tmp_path / "case.json").write_text(json.dumps(case))
    arguments = [PROGRAM, "mutant", str(tmp_path / "case.json")]
    if mutation.found_by == "result":
        if build.why_not():
            pytest.skip(build.why_not())
        command = [sys.executable, *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == CAUGHT, done.stdout + done.stderr
        return
    reason = sanitize.why_not(mutation.found_by)
    if reason:
        pytest.skip(reason)
    found = sanitize.run(mutation.found_by, arguments)
    assert any(report.where.split(":")[0].endswith((".cu", ".cuh")) for report in found.reports), (
        found.output
    )


@pytest.mark.kernels
@pytest.mark.parametrize("rung", sorted({m.rung for m in MUTATIONS}))
def test_without_a_bug_nothing_is_found(rung, tmp_path):
    (tmp_path / "case.json").write_text(json.dumps({"rung": rung, "check": "", "mutations": {}}))
    command = [sys.executable, PROGRAM, "mutant", str(tmp_path / "case.json")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
