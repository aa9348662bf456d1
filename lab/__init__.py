"""The lab: its notebook run, its exercises checked, its mathematics once more in plain NumPy."""
