"""How well connected a set of places is: ProtConn, PC and IIC, mesh, kernels, metapopulations, migration.

Functions over arrays and small frozen records; nothing here knows a scenario or a solver.
"""
