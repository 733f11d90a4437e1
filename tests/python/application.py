"""An application as SQLAlchemy 2 people write it, for tests of export and import.

    application.py create one|many DATABASE     tables and rows
    application.py empty one|many DATABASE      the same tables, no rows
    application.py compare one|many A B         do both databases give equal objects?

`one` relates an analysis to at most one artifact, `many` to any number.
"""

import datetime as dt
import decimal
import enum
import sys
import uuid
import warnings

from sqlalchemy import (
    JSON, BigInteger, Boolean, Date, DateTime, Enum, Float, ForeignKey, Integer, Interval, LargeBinary,
    Numeric, String, Text, Time, Uuid, create_engine, select,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship

warnings.filterwarnings("ignore", message=".*does \\*not\\* support Decimal.*")


class Review(enum.Enum):
    OPEN = "open"
    SIGNED_OFF = "signed off"


class Base(DeclarativeBase):
    pass


def models(relation):
    class Analysis(Base):
        __tablename__ = "analyses"
        id: Mapped[uuid.UUID] = mapped_column(Uuid, primary_key=True)
        url: Mapped[str] = mapped_column(String(2048))
        content_type: Mapped[str] = mapped_column(String(50))
        status: Mapped[str] = mapped_column(String(20), default="completed")
        created_at: Mapped[dt.datetime] = mapped_column(DateTime)
        # Beyond the documented columns: one of every type an application may use.
        checked_at: Mapped[dt.datetime | None] = mapped_column(DateTime(timezone=True))
        published_on: Mapped[dt.date | None] = mapped_column(Date)
        crawled_at: Mapped[dt.time | None] = mapped_column(Time)
        took: Mapped[dt.timedelta | None] = mapped_column(Interval)
        archived: Mapped[bool | None] = mapped_column(Boolean)
        price: Mapped[decimal.Decimal | None] = mapped_column(Numeric(10, 2))
        bytes_read: Mapped[int | None] = mapped_column(BigInteger)
        thumbnail: Mapped[bytes | None] = mapped_column(LargeBinary)
        review: Mapped[Review | None] = mapped_column(Enum(Review))
        settings: Mapped[dict | None] = mapped_column(JSON)
        tags: Mapped[list | None] = mapped_column(JSON(none_as_null=True))
        chunks: Mapped[list["Chunk"]] = relationship(order_by="Chunk.chunk_index", cascade="all, delete-orphan")
        findings: Mapped[list["Finding"]] = relationship(order_by="Finding.id", cascade="all, delete-orphan")
        if relation == "one":
            artifact: Mapped["Artifact | None"] = relationship(uselist=False)
        else:
            artifacts: Mapped[list["Artifact"]] = relationship(order_by="Artifact.id")

    class Chunk(Base):
        __tablename__ = "chunks"
        id: Mapped[uuid.UUID] = mapped_column(Uuid, primary_key=True)
        analysis_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("analyses.id", ondelete="CASCADE"), index=True)
        content: Mapped[str] = mapped_column(Text)
        section_title: Mapped[str | None] = mapped_column(String(255))
        section_path: Mapped[str | None] = mapped_column(String(512))
        content_type: Mapped[str | None] = mapped_column(String(50))
        chunk_index: Mapped[int] = mapped_column(Integer)
        embedding: Mapped[bytes | None] = mapped_column(LargeBinary)
        score: Mapped[float | None] = mapped_column(Float)

    class Finding(Base):
        __tablename__ = "findings"
        id: Mapped[uuid.UUID] = mapped_column(Uuid, primary_key=True)
        analysis_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("analyses.id", ondelete="CASCADE"))
        agent: Mapped[str] = mapped_column(String(100))
        category: Mapped[str] = mapped_column(String(100))
        content: Mapped[str] = mapped_column(Text)
        confidence: Mapped[float] = mapped_column(Float)

    class Artifact(Base):
        __tablename__ = "artifacts"
        id: Mapped[uuid.UUID] = mapped_column(Uuid, primary_key=True)
        analysis_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("analyses.id"), unique=relation == "one")
        summary: Mapped[str] = mapped_column(Text)
        key_findings: Mapped[list] = mapped_column(JSON)
        # `metadata` is taken on declarative classes; the column is called so all the same.
        details: Mapped[dict] = mapped_column("metadata", JSON)

    return Analysis, Chunk, Finding, Artifact


def key(kind, number):
    return uuid.uuid5(uuid.NAMESPACE_URL, f"{kind}/{number}")


def fill(session, relation, classes):
    Analysis, Chunk, Finding, Artifact = classes
    for number in range(12):
        full = number % 3 == 0
        analysis = Analysis(
            id=key("analysis", number),
            url=f"https://example.org/{number % 5}",
            content_type="documentation",
            status="pending" if number == 11 else "completed",
            created_at=dt.datetime(2025, 11, 15, 8, 20, number, 250_000 if number % 2 else 0),
        )
        if full:
            analysis.checked_at = dt.datetime(2025, 12, 1, 23, 59, 59, 999_999)
            analysis.published_on = dt.date(2024, 2, 29)
            analysis.crawled_at = dt.time(4, 5, 6, 7)
            analysis.took = dt.timedelta(days=3, microseconds=1)
            analysis.archived = number % 2 == 0
            analysis.price = decimal.Decimal("19.90")
            analysis.bytes_read = 2**62 + number
            analysis.thumbnail = bytes(range(256))
            analysis.review = Review.SIGNED_OFF
            analysis.settings = {"depth": number, "nested": {"list": [1, 2.5, None, "ü"]}, "$float": "NaN"}
            analysis.tags = ["a", "b", "日本"]
        if number % 4 == 1:
            # SQLAlchemy writes the JSON text `null` here, not NULL; settings left alone become NULL.
            analysis.settings = None
        for index in range(number % 4):
            analysis.chunks.append(Chunk(
                id=key("chunk", (number, index)),
                content=f"Chunk {index} of {number}: naïve, “quoted”\r\n\ttabbed 🚀 \\u0041 \x7f",
                section_title="Überschrift" if index else None,
                section_path=f"docs/{number}.md",
                content_type="paragraph",
                chunk_index=index,
                embedding=bytes(16) if index == 0 else None,
                score=0.1 * index if index else None,
            ))
        for index in range(number % 3):
            analysis.findings.append(Finding(
                id=key("finding", (number, index)), agent="security_agent", category="best_practices",
                content="Always.", confidence=0.92 if index else 1.0,
            ))
        made = [Artifact(
            id=key("artifact", (number, index)), summary=f"Summary {number}",
            key_findings=["one", {"two": 2}], details={"model": "v1"} if number % 2 else {},
        ) for index in range(number % 2 if relation == "one" else number % 4)]
        if relation == "one":
            analysis.artifact = made[0] if made else None
        else:
            analysis.artifacts = made
        session.add(analysis)


def state(record):
    """Everything a mapped object holds, vectors aside; types count, so 1 is not 1.0 and not True."""
    columns = [attribute.key for attribute in record.__mapper__.column_attrs if attribute.key != "embedding"]
    return {name: (type(getattr(record, name)).__name__, getattr(record, name)) for name in columns}


def objects(path, relation, classes):
    Analysis = classes[0]
    with Session(create_engine(f"sqlite:///{path}")) as session:
        completed = select(Analysis).where(Analysis.status == "completed").order_by(Analysis.id)
        found = []
        for analysis in session.scalars(completed):
            related = [analysis.artifact] if relation == "one" else analysis.artifacts
            found.append((
                state(analysis),
                [state(chunk) for chunk in analysis.chunks],
                [state(finding) for finding in analysis.findings],
                [state(artifact) for artifact in related if artifact],
            ))
        return found


def main():
    command, relation, *paths = sys.argv[1:]
    classes = models(relation)
    if command == "compare":
        first, second = (objects(path, relation, classes) for path in paths)
        for ours, theirs in zip(first, second):
            assert ours == theirs, f"\n{ours}\n{theirs}"
        assert len(first) == len(second) == 11, (len(first), len(second))
        print("equal")
        return
    engine = create_engine(f"sqlite:///{paths[0]}")
    Base.metadata.create_all(engine)
    if command == "create":
        with Session(engine) as session:
            fill(session, relation, classes)
            session.commit()


main()
