"""The redline: drawn by rule from functions and fragility, revised without loss, compared with any other line."""
