"""Finding the first NaN or Inf, and measuring time and memory."""
