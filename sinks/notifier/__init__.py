"""Alerts told to people: read from the alert topics, delivered by the routes that policies set."""
