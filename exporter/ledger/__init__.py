"""What is durable: PostgreSQL, the server that may come with it, and all that is stored there."""
