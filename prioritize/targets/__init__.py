"""Target rules: what share or amount of each feature must be held."""
