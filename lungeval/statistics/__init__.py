"""Readings in, estimates out: what readers of each kind scored, and how sure we are.

`analysis.analyse` is the way in; `estimands.ESTIMANDS` says what each number means.
"""
