"""One module per input format without a footer: a file becomes a schema and batches of rows."""
