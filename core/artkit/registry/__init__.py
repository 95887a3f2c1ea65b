"""Finding plugins and the components that they provide."""
