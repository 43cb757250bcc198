"""The fast forward pass in torch; imports no Keras."""
