"""One pure file per dialect: what providers, gateways, traces and coding agents write, as drafts of usage events."""
