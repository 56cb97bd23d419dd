"""The stories of the product, read top-down: a recording from slices to a manifest."""
