"""What flows between the rooms: events, signals, policies, topics, codecs, errors. Knows nobody."""
