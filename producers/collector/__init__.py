"""The HTTP door of `usage.events`: for those who cannot reach Kafka, or should not say who they are themselves."""
