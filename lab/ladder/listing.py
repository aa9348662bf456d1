"""The exercises of the ladder that the lab's notebook does not have, in the order of the rungs."""

from __future__ import annotations

from halfstep.lab.ladder.counting import (
    BINS_OF_DEGREES,
    BYTES_GATHERED,
    ONE_PASS_OR_STEPS,
    PIECES_OF_HUB,
)
from halfstep.lab.ladder.exercise import Exercise
from halfstep.lab.ladder.products import PACKED_CHOLESKY, TENSOR_CORE_PRODUCT, WHITENED_PRODUCT
from halfstep.lab.ladder.ranking import BEST_ITEMS
from halfstep.lab.ladder.steps import STEPS_TAKEN, SUBSPACE_HALF_STEP
from halfstep.lab.ladder.sums import BLOCK_SUM, BUTTERFLY_SUM, TO_BFLOAT16

LADDER: dict[str, Exercise] = {
    "steps_taken": STEPS_TAKEN,
    "subspace_half_step": SUBSPACE_HALF_STEP,
    "block_sum": BLOCK_SUM,
    "whitened_product": WHITENED_PRODUCT,
    "butterfly_sum": BUTTERFLY_SUM,
    "bytes_gathered": BYTES_GATHERED,
    "bins_of_degrees": BINS_OF_DEGREES,
    "pieces_of_hub": PIECES_OF_HUB,
    "to_bfloat16": TO_BFLOAT16,
    "tensor_core_product": TENSOR_CORE_PRODUCT,
    "one_pass_or_steps": ONE_PASS_OR_STEPS,
    "packed_cholesky": PACKED_CHOLESKY,
    "best_items": BEST_ITEMS,
}
