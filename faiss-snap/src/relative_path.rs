//! A path that stays inside its folder, whoever wrote it.

use std::fmt;
use std::path::{Component, Path, PathBuf};

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

/// The path of a file in the index folder, with `/` between its parts. It leads nowhere else: manifests
/// may have been tampered with.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct RelativePath(String);

impl RelativePath {
    /// A path that is one already.
    pub fn new(text: &str) -> Option<Self> {
        let parts = || text.split('/');
        let plain = parts().all(|part| !matches!(part, "" | "." | "..") && !part.contains('\0'));
        plain.then(|| Self(text.to_owned()))
    }

    /// `path` as seen from `folder`; none where that is not UTF-8.
    pub fn beneath(folder: &Path, path: &Path) -> Option<Self> {
        Self::new(path.strip_prefix(folder).ok()?.to_str()?)
    }

    /// The file, in that folder.
    pub fn inside(&self, folder: &Path) -> PathBuf {
        folder.join(&self.0)
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The folders it goes through, outermost first.
    pub fn folders(&self) -> impl Iterator<Item = &str> {
        self.0.match_indices('/').map(|(end, _)| self.0.get(..end).unwrap_or_default())
    }

    /// Whether a symbolic link at this path that says `target` stays in the folder. The folders above it are no
    /// links; what the target goes down through may be, and from there up is anywhere.
    pub fn keeps_inside(&self, target: &str) -> bool {
        let mut above = self.folders().count();
        let mut went_down = false;
        Path::new(target).components().all(|component| match component {
            Component::Normal(_) => {
                went_down = true;
                true
            }
            Component::CurDir => true,
            Component::ParentDir if went_down || above == 0 => false,
            Component::ParentDir => {
                above -= 1;
                true
            }
            Component::RootDir | Component::Prefix(_) => false,
        })
    }
}

impl fmt::Display for RelativePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&golden::visible(&self.0))
    }
}

impl<'de> Deserialize<'de> for RelativePath {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::new(&text).ok_or_else(|| D::Error::custom(format!("the path {text:?} leads out of its folder")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_leads_out() {
        for text in ["", "/etc/passwd", "..", "a/../../b", "a//b", "./a", "a/", "a\0b"] {
            assert_eq!(RelativePath::new(text), None, "{text}");
        }
        for text in ["a", "a b/ü.index", "...", "a/..b"] {
            assert_eq!(RelativePath::new(text).expect(text).as_str(), text);
        }
    }

    #[test]
    fn links_that_stay_inside() {
        let path = RelativePath::new("a/b/link").expect("a path");
        assert_eq!(path.folders().collect::<Vec<_>>(), ["a", "a/b"]);
        for (target, inside) in [
            ("x.index", true),
            ("../x", true),
            ("../../x", true),
            ("../../../x", false),
            ("/etc", false),
            ("c/../../../..", false),
            ("./../d", true),
            ("c/../d", false),
        ] {
            assert_eq!(path.keeps_inside(target), inside, "{target}");
        }
    }
}
