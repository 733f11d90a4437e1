"""An application with pgvector's own type for SQLAlchemy, or with arrays of reals where the extension is absent.

    pgvector_application.py create vector|array URL                 its tables, no rows
    pgvector_application.py check vector|array URL EMBEDDINGS       rows, vectors and nearest neighbours

EMBEDDINGS holds lines {"id", "model", "embedding"}: what every chunk's vector must be.
"""

import array
import datetime as dt
import json
import math
import sys
import uuid

from pgvector.sqlalchemy import Vector
from sqlalchemy import ARRAY, REAL, DateTime, ForeignKey, Index, String, Text, create_engine, select
from sqlalchemy.dialects.postgresql import JSON, JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship

command, kind, url, *files = sys.argv[1:]
DIMENSION = 8


class Base(DeclarativeBase):
    pass


class Analysis(Base):
    __tablename__ = "analyses"
    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    url: Mapped[str] = mapped_column(String(2048))
    content_type: Mapped[str] = mapped_column(String(50))
    status: Mapped[str] = mapped_column(String(20))
    created_at: Mapped[dt.datetime] = mapped_column(DateTime(timezone=True))
    title: Mapped[str | None] = mapped_column(String(255))
    token_count: Mapped[int | None]
    chunks: Mapped[list["Chunk"]] = relationship(order_by="Chunk.chunk_index", back_populates="analysis")
    artifact: Mapped["Artifact | None"] = relationship()


class Chunk(Base):
    __tablename__ = "chunks"
    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    analysis_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("analyses.id", ondelete="CASCADE"), index=True)
    content: Mapped[str] = mapped_column(Text)
    section_title: Mapped[str | None] = mapped_column(String(255))
    section_path: Mapped[str | None] = mapped_column(String(512))
    content_type: Mapped[str | None] = mapped_column(String(50))
    chunk_index: Mapped[int]
    score: Mapped[float | None]
    embedding: Mapped[list | None] = mapped_column(Vector(DIMENSION) if kind == "vector" else ARRAY(REAL))
    analysis: Mapped[Analysis] = relationship(back_populates="chunks")
    if kind == "vector":
        __table_args__ = (Index("nearest", "embedding", postgresql_using="hnsw",
                                postgresql_ops={"embedding": "vector_cosine_ops"}),)


class Finding(Base):
    __tablename__ = "findings"
    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    analysis_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("analyses.id", ondelete="CASCADE"))
    agent: Mapped[str | None] = mapped_column(String(100))
    category: Mapped[str | None] = mapped_column(String(100))
    content: Mapped[str | None] = mapped_column(Text)
    confidence: Mapped[float | None]


class Artifact(Base):
    __tablename__ = "artifacts"
    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    analysis_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("analyses.id", ondelete="CASCADE"))
    summary: Mapped[str | None] = mapped_column(Text)
    key_findings: Mapped[list | None] = mapped_column(JSONB)
    details: Mapped[dict | None] = mapped_column("metadata", JSON)


def distance(one, other):
    product = sum(a * b for a, b in zip(one, other))
    return 1 - product / (math.hypot(*one) * math.hypot(*other))


def nearest(session, query, chunks):
    """The ids of the chunks nearest to a vector, as an application without or with the extension finds them."""
    if kind == "vector":
        found = select(Chunk.id).order_by(Chunk.embedding.cosine_distance(query)).limit(3)
        return list(session.scalars(found))
    ranked = sorted(chunks, key=lambda chunk: distance(query, chunk.embedding))
    return [chunk.id for chunk in ranked[:3]]


def check(session):
    made = {}
    for line in open(files[0], encoding="utf-8"):
        record = json.loads(line)
        made[uuid.UUID(record["id"])] = list(array.array("f", record["embedding"]))
    chunks = list(session.scalars(select(Chunk)))
    assert {chunk.id for chunk in chunks} == set(made) and len(made) > 3
    for chunk in chunks:
        vector = chunk.embedding
        assert list(array.array("f", vector)) == made[chunk.id], (chunk.id, vector, made[chunk.id])
        expected = sorted(made, key=lambda key: distance(made[chunk.id], made[key]))[:3]
        assert nearest(session, made[chunk.id], chunks) == expected and expected[0] == chunk.id
        assert chunk.analysis.created_at.tzinfo and chunk.analysis.url.startswith("https://")
    full = next(analysis for analysis in session.scalars(select(Analysis)) if analysis.artifact)
    assert isinstance(full.artifact.key_findings, list) and full.chunks


# psycopg reads dates in the form that servers have by default.
engine = create_engine(url, connect_args={"options": "-c datestyle=ISO"})
if command == "create":
    Base.metadata.create_all(engine)
else:
    with Session(engine) as session:
        check(session)
    print("equal")
