//! `set_feature_version`: new features may be used from here on.

use muster_machine::{Apply, Outcome, Reason, Stamp};
use serde::{Deserialize, Serialize};

use super::super::Directory;

/// Raises the feature version; it never falls and never passes the least that a present member understands. Answers
/// the version.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SetFeatureVersion {
    /// The version.
    pub feature: u16,
}

impl Apply<Directory> for SetFeatureVersion {
    fn apply(self, directory: &mut Directory, _: Stamp) -> Outcome {
        let (now, common) = (directory.feature(), directory.feature_common());
        match (self.feature.cmp(&now), self.feature > common) {
            (std::cmp::Ordering::Less, _) => Reason::Stale.into(),
            (std::cmp::Ordering::Equal, _) => Outcome::noop(&now),
            (std::cmp::Ordering::Greater, true) => too_new(common),
            (std::cmp::Ordering::Greater, false) => self.raise(directory),
        }
    }
}

impl SetFeatureVersion {
    fn raise(self, directory: &mut Directory) -> Outcome {
        directory.feature = self.feature;
        Outcome::applied(&self.feature)
    }
}

fn too_new(common: u16) -> Outcome {
    Reason::not_allowed(format!("a member understands feature {common} only: upgrade it")).into()
}

#[cfg(test)]
#[path = "set_feature_version_test.rs"]
mod set_feature_version_test;
