"""The suite `quality`: is a fit as good as exact ALS, and how much sooner? `plan`, `run`, `table`."""
