//! Object storage: a folder in a bucket of S3, Google Cloud Storage or Azure, through the `object_store` crate.
//!
//! The runtime that it needs lives here; to everybody else a bucket is one more place of files.

use std::collections::VecDeque;
use std::fmt;
use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;
use std::sync::Arc;

use golden::{Context, Error, Result};
use object_store::path::Path as Key;
use object_store::{
    GetOptions, GetRange, MultipartUpload, ObjectMeta, ObjectStore, ObjectStoreExt, ObjectStoreScheme, PutMode,
    PutPayload,
};
use reqwest::Url;
use tokio::runtime::Runtime;
use tokio::task::{JoinHandle, JoinSet};

mod failure;
mod service;

use self::failure::Failure;
use self::service::Service;
use crate::table_file::{Hashed, Written};

/// How large the parts of a file are…
const PART: u64 = 8 << 20;
/// … unless there were more of them than S3 takes, which is 10,000.
const MOST_PARTS: u64 = 9_000;
/// How many are under way at once.
const PARTS_UNDER_WAY: usize = 3;

/// A folder in a bucket. Names are those of files below it.
pub struct Bucket {
    url: String,
    service: Service,
    store: Arc<dyn ObjectStore>,
    root: Key,
    runtime: Runtime,
}

impl fmt::Debug for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The store knows secrets.
        f.debug_tuple("Bucket").field(&self.url).finish()
    }
}

impl Bucket {
    /// The folder of this URL, as the environment says how to reach it. What follows the bucket stands for itself:
    /// nothing in it is percent-encoded.
    ///
    /// # Errors
    /// A URL of another kind, or settings that make no sense. Nobody is asked yet.
    pub fn open(url: &str) -> Result<Self> {
        let url = url.trim_end_matches('/');
        let no_bucket = |what: &str| {
            Error::usage(format!("{what} is no URL of a bucket"))
                .guidance("s3://BUCKET/FOLDER, gs://BUCKET/FOLDER and az://CONTAINER/FOLDER are")
        };
        let parsed = Url::parse(&url.replace('%', "%25")).map_err(|_| no_bucket("that"))?;
        let secrets = || {
            Error::usage("the URL of a bucket has no user, password, ? or #")
                .guidance("credentials go into environment variables: docs/version-files.md names them")
        };
        if parsed.password().is_some() || parsed.query().is_some() || parsed.fragment().is_some() {
            return Err(secrets());
        }
        let (scheme, root) = ObjectStoreScheme::parse(&parsed).map_err(|_| no_bucket(url))?;
        let service = Service::of(&scheme).ok_or_else(|| no_bucket(url))?;
        // Azure's have the container before the @.
        if !parsed.username().is_empty() && service != Service::Azure {
            return Err(secrets());
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        Ok(Self {
            store: service.connect(&parsed)?,
            runtime: runtime.context(|| "cannot prepare for the network")?,
            url: url.to_owned(),
            service,
            root,
        })
    }

    /// The URL of a file.
    pub fn url_of(&self, name: &str) -> String {
        format!("{}/{name}", self.url)
    }

    /// Puts a file there, whatever stood there before, and reads it back: it is what was sent, or this fails. It is
    /// there complete or not at all.
    pub fn put_file(&self, name: &str, from: &Path) -> Result<Written> {
        let mut file = File::open(from).context(|| format!("cannot read {}", from.display()))?;
        let bytes = file.metadata().context(|| format!("cannot read {}", from.display()))?.len();
        let key = self.key(name)?;
        let mut source = Hashed::new(&mut file);
        self.run(self.send(&key, &mut source, bytes)).map_err(|failure| self.error("write", name, failure))?;
        let sent = Written::from(source.seal());
        let mut back = Hashed::new(std::io::sink());
        self.run(self.receive(&key, &mut back)).map_err(|failure| self.error("read back", name, failure))?;
        if Written::from(back.seal()) == sent {
            return Ok(sent);
        }
        Err(Error::environment(format!("{} came back other than it was sent", self.url_of(name)))
            .guidance("try again; nothing refers to it"))
    }

    /// Puts bytes there, if there is nothing of that name; false if there is.
    pub fn put_new(&self, name: &str, bytes: Vec<u8>) -> Result<bool> {
        let key = self.key(name)?;
        let put = self.store.put_opts(&key, PutPayload::from(bytes), PutMode::Create.into());
        match self.run(put) {
            Ok(_) => Ok(true),
            Err(object_store::Error::AlreadyExists { .. } | object_store::Error::Precondition { .. }) => Ok(false),
            Err(error) => Err(self.error("write", name, error.into())),
        }
    }

    /// Copies it into a file that is new; None, and no file, where it is not there.
    pub fn get_to(&self, name: &str, to: &Path) -> Result<Option<Written>> {
        let key = self.key(name)?;
        if self.head(name, &key)?.is_none() {
            return Ok(None);
        }
        let file = File::create_new(to).context(|| format!("cannot write {}", to.display()))?;
        let mut copy = Hashed::new(file);
        self.run(self.receive(&key, &mut copy)).map_err(|failure| self.error("read", name, failure))?;
        Ok(Some(copy.seal().into()))
    }

    /// Its bytes; None where it is not there.
    pub fn read(&self, name: &str) -> Result<Option<Vec<u8>>> {
        let key = self.key(name)?;
        if self.head(name, &key)?.is_none() {
            return Ok(None);
        }
        let mut bytes = Vec::new();
        self.run(self.receive(&key, &mut bytes)).map_err(|failure| self.error("read", name, failure))?;
        Ok(Some(bytes))
    }

    /// The names of the files in a folder, in their order, without those in folders below it. The empty name is the
    /// bucket's own folder.
    pub fn list(&self, folder: &str) -> Result<Vec<String>> {
        let key = self.key(folder)?;
        let listed = self.run(self.store.list_with_delimiter(Some(&key)));
        let listed = listed.map_err(|error| self.error("list", folder, error.into()))?;
        let name = |object: ObjectMeta| {
            let name = object.location.as_ref().strip_prefix(self.root.as_ref())?.trim_start_matches('/');
            Some(name.to_owned())
        };
        let mut names: Vec<_> = listed.objects.into_iter().filter_map(name).collect();
        names.sort();
        Ok(names)
    }

    fn run<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }

    fn error(&self, doing: &str, name: &str, failure: Failure) -> Error {
        failure.into_error(&format!("cannot {doing} {}", self.url_of(name)), self.service)
    }

    fn key(&self, name: &str) -> Result<Key> {
        let full = format!("{}/{name}", self.root);
        Key::parse(&full).map_err(|_| Error::usage(format!("{} is no name of a file", self.url_of(name))))
    }

    /// What is known of a file; None where it is not there, and the bucket is.
    fn head(&self, name: &str, key: &Key) -> Result<Option<ObjectMeta>> {
        match self.run(self.store.head(key)) {
            Ok(found) => Ok(Some(found)),
            // The answer is the same where there is no such bucket; listing one that is not there is an error.
            Err(object_store::Error::NotFound { .. }) => match self.run(self.store.list_with_delimiter(Some(key))) {
                Ok(_) => Ok(None),
                Err(error) => Err(self.error("look for", name, error.into())),
            },
            Err(error) => Err(self.error("look for", name, error.into())),
        }
    }

    /// Sends what a reader gives. What is sent in parts exists only with the last one.
    async fn send(&self, key: &Key, source: &mut impl Read, bytes: u64) -> Result<(), Failure> {
        if bytes <= PART {
            let part = next_part(source, PART)?;
            self.store.put(key, part.into()).await?;
            return Ok(());
        }
        let mut upload = self.store.put_multipart(key).await?;
        let sent = send_parts(upload.as_mut(), source, PART.max(bytes.div_ceil(MOST_PARTS))).await;
        if sent.is_err() {
            // Parts that are left behind cost money. That they cannot be removed adds nothing to what went wrong.
            let _ = upload.abort().await;
        }
        sent
    }

    /// Reads a file, in ranges so that little has to come again when a connection breaks.
    async fn receive(&self, key: &Key, to: &mut impl Write) -> Result<(), Failure> {
        let found = self.store.head(key).await?;
        let mut under_way: VecDeque<JoinHandle<_>> = VecDeque::new();
        let mut next = 0;
        while next < found.size || !under_way.is_empty() {
            while next < found.size && under_way.len() < PARTS_UNDER_WAY {
                let end = found.size.min(next + PART);
                let range = GetOptions {
                    range: Some(GetRange::Bounded(next..end)),
                    // One file, even if another takes its place meanwhile.
                    if_match: found.e_tag.clone(),
                    ..GetOptions::default()
                };
                let (store, key) = (Arc::clone(&self.store), key.clone());
                under_way.push_back(tokio::spawn(async move { store.get_opts(&key, range).await?.bytes().await }));
                next = end;
            }
            if let Some(range) = under_way.pop_front() {
                to.write_all(&range.await??)?;
            }
        }
        to.flush()?;
        Ok(())
    }
}

async fn send_parts(upload: &mut dyn MultipartUpload, source: &mut impl Read, size: u64) -> Result<(), Failure> {
    let mut under_way = JoinSet::new();
    loop {
        let part = next_part(source, size)?;
        if part.is_empty() {
            break;
        }
        if under_way.len() == PARTS_UNDER_WAY
            && let Some(done) = under_way.join_next().await
        {
            done??;
        }
        under_way.spawn(upload.put_part(part.into()));
    }
    while let Some(done) = under_way.join_next().await {
        done??;
    }
    upload.complete().await?;
    Ok(())
}

fn next_part(source: &mut impl Read, size: u64) -> std::io::Result<Vec<u8>> {
    let mut part = Vec::new();
    source.take(size).read_to_end(&mut part)?;
    Ok(part)
}
