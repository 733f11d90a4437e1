"""The neighbours of some vectors of the database in the index of each dataset, as an application finds them."""

import sys

import faiss
import numpy as np
from sqlalchemy import LargeBinary, create_engine, column, select, table

embeddings = table("embeddings", column("dataset_id"), column("ticket_id"), column("vector", LargeBinary))
with create_engine(f"sqlite:///{sys.argv[1]}/app.db").connect() as connection:
    for dataset in (1, 2):
        rows = connection.execute(
            select(embeddings.c.ticket_id, embeddings.c.vector)
            .where(embeddings.c.dataset_id == dataset)
            .order_by(embeddings.c.ticket_id)
        ).all()
        index = faiss.read_index(f"{sys.argv[1]}/faiss/{dataset}.index")
        vectors = np.frombuffer(b"".join(row.vector for row in rows), "<f4").reshape(len(rows), -1)
        _, found = index.search(vectors[::20], 3)
        print(dataset, [row.ticket_id for row in rows[::20]], found.tolist())
