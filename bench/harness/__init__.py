"""The benchmark's machinery: starting servers, loading them, counting what they used, printing the comparison.

Start at `interleave.compare`, which runs one scenario, and `report.table`, which prints it. Nothing here knows a
particular application or limit: those are in scenarios/ and servers.py.
"""
