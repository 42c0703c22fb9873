"""Burnline's workers on Kubernetes, beside a Kafka and a ClickHouse of your own, as plain manifests made by code."""
