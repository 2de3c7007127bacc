"""Changes of calls go out to every browser, in batches, bounded."""
