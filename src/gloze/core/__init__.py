"""What every other part shares: errors, files, random numbers, batches, devices."""
