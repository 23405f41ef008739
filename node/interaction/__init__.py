"""Interaction with customers and victims: reports, cooling-offs, protections, status, feedback."""
