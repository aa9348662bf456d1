"""Both stages of a run on a card without one: rehearsed on the CPU, in an environment like its own."""
