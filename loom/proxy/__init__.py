"""The engines that forward traffic and tell of it as events."""
