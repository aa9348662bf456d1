"""The defaults of every parameter that solvers, commands, evaluations and searches have in common.

They are those of `implicit`'s `AlternatingLeastSquares` where it has the parameter, so that a program
that changes its import gets the same model. Everything else that takes the parameter follows: a
command's options, `Solver`'s arguments and the arguments of `halfstep.evaluation` read them here.
"""

# The model.
FACTORS = 100
ITERATIONS = 15
REGULARIZATION = 0.01
EXPONENT = 0.0
ALPHA = 1.0
CONFIDENCE = "implicit"
EPSILON = 1.0
BACKGROUND = 0.1  # of confidence "binary"; the other conventions have their own
BM25_K1 = 100.0
BM25_B = 0.8
THREADS = 0  # all cores

# Seed of all random draws of commands and evaluations. A solver's own `random_state` is None.
SEED = 0

# Judging: the length of a list, and of the metrics over it; the share of the entries that is held out.
LIST_LENGTH = 10
METRIC = f"ndcg@{LIST_LENGTH}"
TEST_FRACTION = 0.2
ROWS_TEST_FRACTION = 0.1  # of the protocol "random-rows", the lab's

# Searches: early stopping chooses at most so many iterations.
MOST_ITERATIONS = 20
PATIENCE = 2
# The suites of the benchmark, in the order in which they are listed.
SUITES = (
    *("quick", "full", "scaling", "queries", "evaluation", "roofline", "threads"),
    *("quality", "acceleration", "memory", "preparation", "small"),
)
