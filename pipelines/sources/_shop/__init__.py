"""A whole simulated shop, day by day: what the source `simulated_shop` delivers. See docs/simulated-shop.md.

Every number of a day comes from random streams named by the seed and that day, so any day can be made on its own.
"""
