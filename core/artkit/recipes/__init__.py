"""Recipes: read and validate them, and build the components that they name."""
