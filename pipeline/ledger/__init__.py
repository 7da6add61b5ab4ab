"""What is written down: events, charges, reservations, the hash chain, and the one durable writer."""
