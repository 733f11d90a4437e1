"""Reads the vectors of a SQLite database as an application does, and searches them.

Prints, for some chunks, the five nearest others by cosine, and where the extension of sqlite-vec is.
"""
import json
import sys

import numpy
import sqlalchemy
import sqlite_vec
from sqlalchemy import orm


class Base(orm.DeclarativeBase):
    pass


class Chunk(Base):
    __tablename__ = "chunks"
    id: orm.Mapped[str] = orm.mapped_column(primary_key=True)
    embedding: orm.Mapped[bytes] = orm.mapped_column(sqlalchemy.LargeBinary)


with orm.Session(sqlalchemy.create_engine(f"sqlite:///{sys.argv[1]}")) as session:
    chunks = session.scalars(sqlalchemy.select(Chunk).order_by(Chunk.id)).all()
    ids = [chunk.id for chunk in chunks]
    vectors = numpy.stack([numpy.frombuffer(chunk.embedding, "<f4") for chunk in chunks]).astype(float)
vectors /= numpy.linalg.norm(vectors, axis=1, keepdims=True)
neighbours = {}
for query in range(0, len(ids), max(1, len(ids) // 10)):
    nearest = sorted((-similarity, ids[chunk]) for chunk, similarity in enumerate(vectors @ vectors[query]) if chunk != query)
    neighbours[ids[query]] = [chunk for _, chunk in nearest[:5]]
json.dump({"sqlite_vec": sqlite_vec.loadable_path(), "neighbours": neighbours}, sys.stdout)
