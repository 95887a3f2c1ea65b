"""Output of finished runs: exported files and reports."""
