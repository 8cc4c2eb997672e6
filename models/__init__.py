"""Models. Threads that wait give their core away: spinning costs a shared machine up to five times the time."""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # read when torch loads its OpenMP, so before any import of torch
