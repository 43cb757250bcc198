"""Training: the network, the losses, and the loop over steps."""
