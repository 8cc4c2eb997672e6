"""Measurements. Each module prints one JSON line last and takes the folder of its data as an argument."""
