"""Formats that tell what usage led to: webhooks of code hosts, scan results, feedback."""
