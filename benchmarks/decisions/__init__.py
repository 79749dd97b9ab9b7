"""How good decisions are: intervals, the images a decision costs, and the error of stopping early."""
