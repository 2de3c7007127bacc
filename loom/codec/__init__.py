"""Bytes become JSON when somebody looks, and JSON becomes bytes again."""
