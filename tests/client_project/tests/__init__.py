"""Tests of the service; a package, as many projects have it."""
