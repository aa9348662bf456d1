"""Figures of the CUDA rungs 1 to 3: a block per row, the Gramian gone, a warp per row."""

from __future__ import annotations

from site_parts.drawing import Drawing


def cuda_block_per_row() -> Drawing:
    """Rung 1: thread j of a row's block holds factor j, and each dot product is a sum over the block.

    Eight threads are drawn as columns. Below each lie its registers: element j of x, r, p and A p.
    A stored entry's row of Y is read from global memory, one number for each thread, and multiplied
    by p. The eight products are added up over the block, with two barriers. The sum times w goes
    back to all threads, and each adds its y_j times that to its element of A p. On the right the
    Gramian: for element j of G p, thread j reads column j, and all of p, which is therefore also in
    shared memory.
    """
    d = Drawing(700, 330)
    left, size = 150, 28
    d.text(16, 24, "thread j", bold=True)
    d.cells(left, 8, 1, 8, size, "plain", lambda _, c: str(c))
    d.text(16, 62, "registers", bold=True)
    for r, name in enumerate(("x", "r", "p", "A p")):
        d.cells(left, 44 + size * r, 1, 8, size, "result" if r == 3 else "stored")
        d.text(left - 10, 62 + size * r, name, end=True)
    d.text(16, 202, "entry's row of Y", bold=True)
    d.cells(left, 184, 1, 8, size, "fixed", lambda _, c: f"y{c}")
    d.text(16, 244, "y_j p_j")
    d.cells(left, 226, 1, 8, size, "row")
    d.arrow(left + 8 * size + 4, 240, 404, 240)
    d.box(408, 222, 132, 36, "warn", "sum over the block")
    d.text(408, 276, "two barriers", small=True)
    d.line(474, 220, 474, 142, role="orange").arrow(
        474, 142, left + 8 * size + 6, 142, role="orange"
    )
    d.text(392, 134, "+ w (y.p) y_j", small=True)
    d.text(16, 306, "shared memory", bold=True)
    d.cells(left, 288, 1, 8, size, "shared", lambda _, c: f"p{c}")
    d.text(560, 24, "G, f × f", bold=True)
    d.cells(560, 36, 8, 8, 14, lambda _, c: "warn" if c == 3 else "shared")
    d.text(560, 168, "thread 3 reads", small=True).text(560, 184, "column 3, in each", small=True)
    d.text(560, 200, "row and pass", small=True)
    return d


def cuda_block_sum() -> Drawing:
    """A sum over the block of four warps: shuffles within each, then two barriers through shared memory.

    Four warps are rows, time goes to the right. Each warp adds up its 32 lanes by shuffles; warp 2
    is late, because its load came late. At the first barrier the three other warps wait for it.
    Then lane 0 of each warp writes the warp's sum to shared memory. After the second barrier every
    thread reads the four sums and adds them.
    """
    d = Drawing(660, 226)
    for w in range(4):
        y = 30 + 40 * w
        late = 110 if w == 2 else 0
        d.text(16, y + 18, f"warp {w}", small=True)
        if late:
            d.box(76, y, late, 28, "warn", "load")
        d.box(76 + late, y, 110, 28, "stored", "5 shuffles")
        if not late:
            d.box(186, y, 110, 28, "faint", "waits")
        d.box(312, y, 126, 28, "shared", f"part[{w}] = sum")
        d.box(456, y, 186, 28, "result", "part[0] + … + part[3]")
    for x, name in ((304, "__syncthreads()"), (447, "__syncthreads()")):
        d.line(x, 22, x, 186, dashed=True, role="orange")
        d.text(x, 14, name, middle=True, small=True)
    d.text(76, 212, "No warp goes beyond a barrier before all have come to it.", small=True)
    return d


def cuda_without_gramian() -> Drawing:
    """What a pass over a row of 16 entries reads at f = 128, before whitening and after.

    Two stacks of strips; a strip is two vectors of 128 numbers. Before whitening the pass reads the
    whole Gramian, 64 strips of the shared matrix, and 8 strips for the row's 16 entries. After
    whitening the shared part is a diagonal, one strip that every thread has in a register, and only
    the 8 strips of the entries are read.
    """
    d = Drawing(640, 300)
    d.text(20, 20, "rung 1, a pass", bold=True)
    for strip in range(64):
        d.box(20, 30 + 3.4 * strip, 150, 3.4, "shared")
    d.text(182, 140, "G: 128 vectors")
    for strip in range(8):
        d.box(20, 252 + 3.4 * strip, 150, 3.4, "fixed")
    d.text(182, 270, "16 rows of Y")
    d.text(350, 20, "rung 2, a pass", bold=True)
    d.cells(350, 30, 8, 8, 17, lambda r, c: "shared" if r == c else "faint")
    d.text(498, 92, "D: a diagonal, one")
    d.text(498, 110, "number per thread,")
    d.text(498, 128, "read once a row")
    for strip in range(8):
        d.box(350, 252 + 3.4 * strip, 150, 3.4, "fixed")
    d.text(512, 270, "16 rows of Z")
    return d


def cuda_warp_of_pieces() -> Drawing:
    """Rung 3 at f = 128: eight lanes share an entry, with four pieces of 16 bytes in each lane.

    Above, a row of Z in memory: 32 pieces of four numbers, in four chunks of eight pieces. Piece
    number l of every chunk belongs to lane l; those of lane 2 are marked. Below, the warp as four
    groups of eight lanes, each with another entry: every lane is a column of four pieces in
    registers, one from each chunk.
    """
    d = Drawing(680, 300)
    size = 19.5
    d.text(16, 20, "a row of Z in memory: 128 numbers, 32 pieces of 16 bytes", bold=True)
    for chunk in range(4):
        d.brace(16 + 8 * size * chunk + 2, 50, 8 * size - 4, f"chunk {chunk}")
    d.cells(16, 54, 1, 32, size, _lane_two, lambda _, c: str(c % 8))
    d.text(16, 94, "the number in a piece is the lane that loads it", small=True)
    d.text(16, 128, "the warp's registers: 4 groups of 8 lanes", bold=True)
    for chunk in range(4):
        d.text(16, 164 + 16 * chunk, f"chunk {chunk}", small=True)
    for group in range(4):
        x = 76 + 148 * group
        d.cells(x, 152, 4, 8, 16, _lane_two if group == 0 else "row")
        d.text(x, 234, f"group {group}: entry {group}", small=True)
    d.text(16, 262, "and of x, r, p and A p each group holds a copy in the same layout", small=True)
    d.text(16, 282, "then entries 4 to 7, and so on", small=True)
    return d


def _lane_two(_: int, column: int) -> str:
    return "warn" if column % 8 == 2 else "row"


def cuda_butterfly() -> Drawing:
    """Eight lanes add up their numbers in three exchanges, and all of them end with the sum.

    Four rows of eight cells, a column for each lane. Between the first and the second row each lane
    is joined with the lane four away, then with the lane two away, then with its neighbour: the
    lane whose number differs in one bit. After the exchanges a cell holds the sum of two, of four,
    and of all eight numbers.
    """
    d = Drawing(620, 290)
    left, step, size = 20, 50, 30
    said: tuple[tuple[int, str], ...] = ((4, "sums of 2"), (2, "sums of 4"), (1, "sums of 8"))
    for lane in range(8):
        d.box(left + step * lane, 20, size, 24, "stored", f"v{lane}")
    d.text(430, 38, "a number in each lane", small=True)
    for stage, (distance, name) in enumerate(said):
        y = 44 + 72 * stage
        for lane in range(8):
            x = left + step * lane + size / 2
            other = left + step * (lane ^ distance) + size / 2
            d.line(x, y, x, y + 44, role="quiet").line(other, y, x, y + 44, role="blue")
            d.box(x - size / 2, y + 46, size, 24, "result" if stage == 2 else "row")
        d.text(430, y + 22, f"__shfl_xor_sync(…, {distance})", small=True)
        d.text(430, y + 62, name, small=True)
    for lane in range(8):
        d.text(left + step * lane + size / 2, 276, f"lane {lane}", middle=True, small=True)
    return d
