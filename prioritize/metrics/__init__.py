"""What is measured on a selection, recomputed from the landscape."""
