"""What vectors know: neighbours, spread in space, and what a plain classifier reads from them."""
