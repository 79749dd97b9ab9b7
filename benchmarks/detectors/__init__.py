"""Drawing the training pictures and training the detectors on them."""
