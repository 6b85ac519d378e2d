"""From data to text: what people, CI and machines read."""
