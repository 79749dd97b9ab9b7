"""An Anima of full size with random weights: the same generation code, timed on a GPU. Says nothing about pictures."""
