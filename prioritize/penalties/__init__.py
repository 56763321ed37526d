"""What is added to the objective: boundary length, linear layers."""
