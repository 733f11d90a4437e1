//! What `faiss-snap` knows of the files it keeps.

pub mod index_file;
