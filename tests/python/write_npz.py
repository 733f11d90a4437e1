"""Writes the vectors of dataset 2 as an application does that goes without FAISS: HOW DATABASE FILE."""

import sqlite3
import sys
import zipfile

import numpy

how, database, file = sys.argv[1:]
rows = sqlite3.connect(database).execute("SELECT ticket_id, vector FROM embeddings WHERE dataset_id = 2 ORDER BY 1")
ids, vectors = zip(*((number, numpy.frombuffer(vector, "<f4")) for number, vector in rows))
vectors = numpy.stack(vectors)
vectors = vectors / numpy.linalg.norm(vectors, axis=1, keepdims=True)
arrays = {"vectors": vectors.astype(numpy.float32), "ids": numpy.array(ids, dtype=numpy.int64)}
if how == "short":
    # As numpy.savez, but that the heads say one vector more than there are.
    with zipfile.ZipFile(file, "w") as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w") as member:
                shape = (len(array) + 1, *array.shape[1:])
                head = {"descr": array.dtype.str, "fortran_order": False, "shape": shape}
                numpy.lib.format.write_array_header_1_0(member, head)
                member.write(array.tobytes())
else:
    getattr(numpy, how)(file, **arrays)
