"""Runs -> maps and tables; computes no numbers."""
