"""The only room that imports pyspark: the RDD pipeline's plumbing."""
