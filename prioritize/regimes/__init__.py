"""Data and rules of 30x30: accounting, delineation, no net loss."""
