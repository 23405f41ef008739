"""Web console: pages for regulators and operators, made on the node and served beside the API."""
