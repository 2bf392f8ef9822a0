"""Token ids on disk, and batches made of them."""
