"""The FastAPI service, its command line, and the domains behind them."""
