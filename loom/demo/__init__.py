"""A backend worth looking at, and traffic for it."""
