"""Events become calls; the history in memory, sessions on disk."""
