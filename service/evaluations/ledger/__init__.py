"""What executors write down of an evaluation, so that another one can go on from it."""
