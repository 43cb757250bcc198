"""Texts to vectors: tokenizer, packing, pooling and the encoder over them."""
