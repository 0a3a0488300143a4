"""A finished dataset as a page a person looks at."""
