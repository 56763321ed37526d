"""The certified engine: bounds, selections and the core that OR-Tools decides."""
