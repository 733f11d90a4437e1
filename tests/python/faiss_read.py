"""Reads indexes with FAISS and searches them: faiss_read.py QUERIES.npy FILE... prints a JSON line for each."""
import json
import sys

import faiss
import numpy as np

faiss.omp_set_num_threads(1)
queries = np.load(sys.argv[1])
for path in sys.argv[2:]:
    try:
        index = faiss.read_index(path)
        distances, ids = index.search(queries, 5)
        print(json.dumps({"file": path, "d": index.d, "ntotal": index.ntotal, "ids": ids.tolist(),
                          "distances": distances.tolist()}))
    except RuntimeError as error:
        print(json.dumps({"file": path, "error": str(error)}))
