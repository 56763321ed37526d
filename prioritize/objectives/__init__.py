"""What is minimised or maximised."""
