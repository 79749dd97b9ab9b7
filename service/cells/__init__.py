"""Looking at single cells: listing them with filters, and pictures of what the detectors saw in them."""
