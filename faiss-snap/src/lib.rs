//! What `faiss-snap` knows of the files it keeps: indexes, what stands beside them, and how FAISS is asked
//! about an index without being trusted.

pub mod deep;
pub mod index_file;
pub mod npz;
pub mod program;
pub mod sidecar;
