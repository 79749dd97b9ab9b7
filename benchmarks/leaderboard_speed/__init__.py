"""How long the leaderboard takes from the database, and how that grows with the number of findings."""
