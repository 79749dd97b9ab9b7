"""The demo: the shipped miniature, two training runs of four checkpoints each, four scenarios and six seeds."""
