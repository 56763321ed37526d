"""An independent judge of the solvers: small problems, every selection counted in rational arithmetic."""
