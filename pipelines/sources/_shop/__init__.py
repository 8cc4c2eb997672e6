"""A whole simulated shop, day by day. What the source `simulated_shop` delivers is made here; see docs/simulated-shop.md.

Every number of a day comes from random streams named by the seed and that day, so any day can be made on its own.
"""
