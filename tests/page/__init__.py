"""The page in a real Chromium: before a whole Loom, and before a feed that does what a test tells it to."""
