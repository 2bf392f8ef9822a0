"""Inner loops in compiled Python (numba), each held to a plain form by its tests."""
