"""The three steps of a shard: read and tokenize, encode, commit."""
