"""Tests that run for minutes when SPEYSIDE_SOAK is set, and for seconds when it is not."""
