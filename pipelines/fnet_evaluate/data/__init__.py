"""A user's data: files of any format, told apart by their columns."""
