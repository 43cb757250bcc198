"""The Keras model of the paper and of KerasHub."""
