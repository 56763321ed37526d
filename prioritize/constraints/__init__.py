"""Hard rows beside the targets: area, budget, locks, linear."""
