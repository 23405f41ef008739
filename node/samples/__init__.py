"""Made-up sample lists for the demo, and what makes them; CC0."""
