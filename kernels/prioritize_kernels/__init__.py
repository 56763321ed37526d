"""Numba kernels: bare loops over arrays that the caller has checked."""
