"""Images in and out: loading, fitting, pixels and PNG files."""
