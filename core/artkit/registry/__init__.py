"""Plugin discovery, hooks, and the templates of `artkit new-plugin`."""
