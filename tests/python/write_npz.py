"""Writes the vectors of dataset 2 as an application does that goes without FAISS: HOW DATABASE FILE."""

import sqlite3
import sys

import numpy

how, database, file = sys.argv[1:]
rows = sqlite3.connect(database).execute("SELECT ticket_id, vector FROM embeddings WHERE dataset_id = 2 ORDER BY 1")
ids, vectors = zip(*((number, numpy.frombuffer(vector, "<f4")) for number, vector in rows))
vectors = numpy.stack(vectors)
vectors = vectors / numpy.linalg.norm(vectors, axis=1, keepdims=True)
getattr(numpy, how)(file, vectors=vectors.astype(numpy.float32), ids=numpy.array(ids, dtype=numpy.int64))
