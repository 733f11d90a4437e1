//! `dataset_versions`.

use golden::{Error, Result};
use golden_version::{Cell, ContentDigest};

use super::cells::{Cells, damaged, optional};
use crate::store::Store;
use crate::version::{DatasetVersion, Moment, Status, StoredFile};

/// The columns, in the order in which [`values`] and [`read`] have them.
const COLUMNS: [&str; 21] = [
    "id",
    "dataset_name",
    "version_tag",
    "created_at",
    "created_by_job",
    "description",
    "parent_version",
    "status",
    "row_count",
    "content_sha256",
    "schema",
    "claimed_by",
    "claimed_at",
    "finished_at",
    "snapshot_path",
    "snapshot_bytes",
    "snapshot_sha256",
    "history_path",
    "history_bytes",
    "history_sha256",
    "protected",
];

/// The versions of a dataset, or of all, in the order of their creation.
pub fn all(store: &mut dyn Store, dataset: Option<&str>) -> Result<Vec<DatasetVersion>> {
    let mut versions = Vec::new();
    let (filter, values) = match dataset {
        Some(dataset) => ("WHERE dataset_name = ?", vec![Cell::Text(dataset.to_owned())]),
        None => ("", Vec::new()),
    };
    let sql = format!(
        "SELECT {} FROM dataset_versions {filter} ORDER BY dataset_name, created_at, id",
        COLUMNS.map(|name| format!("\"{name}\"")).join(", ")
    );
    store.query(&sql, &values, &mut |row| {
        versions.push(read(row)?);
        Ok(())
    })?;
    Ok(versions)
}

/// The version that people mean by a tag or an id.
pub fn named<'v>(versions: &'v [DatasetVersion], dataset: &str, name: &str) -> Result<&'v DatasetVersion> {
    let mut found = versions.iter().filter(|version| version.dataset == dataset);
    found.find(|version| version.tag == name || version.id == name).ok_or_else(|| {
        Error::usage(format!("dataset `{dataset}` has no version `{name}`"))
            .guidance(format!("golden-version list --dataset {dataset} shows those there are"))
    })
}

/// Adds a version.
///
/// # Errors
/// A tag that the dataset has already.
pub fn insert(store: &mut dyn Store, version: &DatasetVersion) -> Result<()> {
    let tags = "SELECT id FROM dataset_versions WHERE dataset_name = ? AND version_tag = ?";
    let tag = [Cell::Text(version.dataset.clone()), Cell::Text(version.tag.clone())];
    if crate::store::first(store, tags, &tag)?.is_some() {
        return Err(Error::data(format!("dataset `{}` has a version `{}` already", version.dataset, version.tag))
            .guidance("choose another tag: versions that exist do not change"));
    }
    store.insert_all("dataset_versions", &COLUMNS, &mut [Ok(values(version))].into_iter())?;
    Ok(())
}

/// Writes what has become of a version.
pub fn update(store: &mut dyn Store, version: &DatasetVersion) -> Result<()> {
    let set = COLUMNS.map(|name| format!("\"{name}\" = ?")).join(", ");
    let mut values = values(version);
    values.push(Cell::Text(version.id.clone()));
    store.execute(&format!("UPDATE dataset_versions SET {set} WHERE id = ?"), &values)?;
    Ok(())
}

/// Takes a version for one's own; false where somebody else was first.
pub fn claim(store: &mut dyn Store, version: &DatasetVersion, by: &str) -> Result<bool> {
    let sql = "UPDATE dataset_versions SET status = 'in_progress', claimed_by = ?, claimed_at = ?
               WHERE id = ? AND coalesce(status, 'pending') IN ('pending', 'failed')";
    let values = [Cell::Text(by.to_owned()), Cell::Text(Moment::now().stored()), Cell::Text(version.id.clone())];
    Ok(store.execute(sql, &values)? == 1)
}

fn values(version: &DatasetVersion) -> Vec<Cell> {
    let moment = |moment: Option<Moment>| optional(moment.map(Moment::stored).as_deref());
    let number =
        |number: Option<u64>| number.and_then(|number| i64::try_from(number).ok()).map_or(Cell::Null, Cell::Integer);
    let file = |file: &Option<StoredFile>| {
        let file = file.as_ref();
        [
            optional(file.map(|file| file.path.as_str())),
            number(file.and_then(|file| file.bytes)),
            optional(file.and_then(|file| file.sha256.as_deref())),
        ]
    };
    let schema = version.schema.as_ref().and_then(|schema| serde_json::to_string(schema).ok());
    let mut values = vec![
        Cell::Text(version.id.clone()),
        Cell::Text(version.dataset.clone()),
        Cell::Text(version.tag.clone()),
        Cell::Text(version.created_at.stored()),
        optional(version.created_by_job.as_deref()),
        optional(version.description.as_deref()),
        optional(version.parent.as_deref()),
        Cell::Text(version.status.name().to_owned()),
        number(version.row_count),
        optional(version.content.map(|content| content.to_string()).as_deref()),
        optional(schema.as_deref()),
        optional(version.claimed_by.as_deref()),
        moment(version.claimed_at),
        moment(version.finished_at),
    ];
    values.extend(file(&version.snapshot));
    values.extend(file(&version.history));
    values.push(Cell::Boolean(version.protected));
    values
}

fn read(row: Vec<Cell>) -> Result<DatasetVersion> {
    let mut row = Cells::new(row);
    let mut version = DatasetVersion {
        id: row.must("the id of a version")?,
        dataset: row.must("the dataset of a version")?,
        tag: row.must("the tag of a version")?,
        created_at: row.moment("the date of a version")?.ok_or_else(|| damaged("the date of a version"))?,
        created_by_job: row.text(),
        description: row.text(),
        parent: row.text(),
        // A row of an application that knows no status is one that it has begun.
        status: row
            .text()
            .map_or(Some(Status::Pending), |name| Status::from_name(&name))
            .ok_or_else(|| damaged("the status of a version"))?,
        row_count: row.number("the number of rows of a version")?,
        content: row
            .text()
            .map(|hex| ContentDigest::parse(&hex).ok_or_else(|| damaged("the digest of a version")))
            .transpose()?,
        schema: row
            .text()
            .map(|json| serde_json::from_str(&json).map_err(|_| damaged("the schema of a version")))
            .transpose()?,
        claimed_by: row.text(),
        claimed_at: row.moment("the date of a claim")?,
        finished_at: row.moment("the date of a version")?,
        snapshot: None,
        history: None,
        protected: false,
    };
    version.snapshot = file(&mut row)?;
    version.history = file(&mut row)?;
    version.protected = row.truth();
    Ok(version)
}

fn file(row: &mut Cells) -> Result<Option<StoredFile>> {
    let (path, bytes, sha256) = (row.text(), row.number("the size of a file")?, row.text());
    Ok(path.map(|path| StoredFile { path, bytes, sha256 }))
}
