"""The nearest rows of an output."""
