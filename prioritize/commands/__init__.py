"""The commands: one module each, found by name. A module imports what is heavy when it is called."""
