"""The music-recommendation lab: run its notebook, write its exercises, and check solutions.

`music_recommender.ipynb` is the notebook; exercises.ipynb is generated from it by `halfstep lab
exercises`. `reference` has the exercises' mathematics in plain NumPy. `ladder` has an exercise for each
rung of the solvers, for the pages that explain them.
"""
