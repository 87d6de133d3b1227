//! What redb and the system say, in the words of the contract.

use crate::StoreError;
use std::io::{self, ErrorKind};

/// Puts an error into the words of the contract.
pub trait Explain<T> {
    /// `store` is the one it happened in.
    fn explain(self, store: &str) -> Result<T, StoreError>;
}

impl<T, E: Into<redb::Error>> Explain<T> for Result<T, E> {
    fn explain(self, store: &str) -> Result<T, StoreError> {
        self.map_err(|e| explain(e.into(), store))
    }
}

/// The same for a bare error.
#[expect(clippy::wildcard_enum_match_arm, reason = "an enum of redb that may grow")]
pub fn explain(error: redb::Error, store: &str) -> StoreError {
    let store = store.to_owned();
    match error {
        redb::Error::Io(source) => explain_io(source, store),
        redb::Error::Corrupted(reason) => StoreError::Corrupt { store, reason },
        redb::Error::UpgradeRequired(found) => {
            let reason = format!("its file format {found} is not one of ours");
            StoreError::Corrupt { store, reason }
        }
        redb::Error::DatabaseAlreadyOpen => StoreError::Locked { store, by: None },
        other => StoreError::Failed { store, source: other.into() },
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "an enum of std that may grow")]
fn explain_io(source: io::Error, store: String) -> StoreError {
    match source.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
            StoreError::Full { store, source }
        }
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => StoreError::Denied { store, source },
        ErrorKind::InvalidData | ErrorKind::UnexpectedEof => {
            StoreError::Corrupt { store, reason: source.to_string() }
        }
        _ => StoreError::Failed { store, source: source.into() },
    }
}
