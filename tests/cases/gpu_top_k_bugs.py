"""Bugs seeded into the coarse top-k: what each is, its file, a piece of it, what stands there then, and
what finds it if no result does.
"""

COARSE, LISTS = "topk_coarse.cu", "scores.cuh"
BARRIER = "__syncthreads();"
BUGS = [
    ("what a query lost is not in the bound", COARSE, "? error + size * (wide", "? size * (wide"),
    ("what an item lost is not in the bound", COARSE, "error + size : error;", "error + size : 0;"),
    ("a query's power of two is another one's", COARSE,
     "units[query] = unit;", "units[query] = 2 * unit;"),
    ("NaN is passed over", COARSE,
     "any |= !(c[s / 2][n][s % 2 * 2 + i] <= 0)", "any |= c[s / 2][n][s % 2 * 2 + i] > 0"),
    ("survivors of half the lanes", COARSE,
     "both |= __shfl_xor_sync(ALL, both, 2);", "both |= 0;"),
    ("a threshold is never heard of", COARSE,
     "            settle(full);\n            begin();", "            settle(full);"),
    ("a tile is multiplied before it is there", COARSE,
     "__pipeline_wait_prior(0);", "__pipeline_wait_prior(1);"),
    ("a tile is overwritten while it is read", COARSE,
     f"        {BARRIER}  // this tile is there for all, and all are done with the one before\n",
     ""),
    ("items that wait are read before they are written", COARSE,
     "            __syncwarp();  // what waits has been written\n", "", "thread"),
    ("items beyond the last one", COARSE, "item >= items || (allowed", "(allowed", "address"),
    ("a list is moved before it is read", LISTS,
     "        __syncwarp();  // all lanes have read what is overwritten now\n", "", "thread"),
    ("an item does not mind those before it", LISTS,
     "if (lane == j) place += __popc(after);", ""),
    ("an item that is no query's is looked for beyond the last", LISTS,
     "return low < stop && indices[low] == item;", "return indices[low] == item;", "address"),
]  # fmt: skip
