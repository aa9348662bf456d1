// The arguments of a kernel that works on the parts of hub rows, a block for each.
//
// Part i belongs to hub row number part_row[i] and has part_count[i] entries from position part_first[i]
// on. V: the vectors to multiply by, a row of X for each hub (hub_row[hub]), or, with hub_row null, row
// `hub` of P. `going` (hubs,): whether the hub's row takes another step.
#define PART                                                                                             \
    const REAL *V, const long long *hub_row, const STORED *Z, const int *indices, const REAL *w,          \
        const REAL *t, const int *part_row, const long long *part_first, const int *part_count,           \
        const int *going, REAL *parts

