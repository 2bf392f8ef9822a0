"""Building blocks: numbers in, tensors out."""
