"""Who may use the server: API keys, the pages' session, and where a request must come from."""
