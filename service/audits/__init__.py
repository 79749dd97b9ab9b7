"""People's verdicts on findings, and what they say about the machine's."""
