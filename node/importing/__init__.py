"""Import of indicator lists: files in, reported batches and a count of every row out."""
