"""The interfaces of components, one file each: all that a plugin implements."""
