"""The miniature world and every measurement. Nothing of the product imports this package."""
