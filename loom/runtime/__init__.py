"""Configuration, wiring, metrics, logging, start and shutdown."""
