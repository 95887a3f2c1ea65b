"""Recipes: reading, validating, and building the components that they name."""
