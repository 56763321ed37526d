"""The engine: bounds, selections and proofs for programs too large for branch and cut (see `engine.solve`)."""
