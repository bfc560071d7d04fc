"""Custom resources: their schemas, the kinds that definitions make, and what serves and withdraws them."""
