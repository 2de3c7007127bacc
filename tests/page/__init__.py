"""Tests of the page in a real Chromium, against a real Loom or a scripted feed."""
