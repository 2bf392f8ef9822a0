"""Labels and predictions to figures."""
