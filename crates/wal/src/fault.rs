//! A disk error with what was being done.

use std::{io, sync::Arc};

use crate::{OpenError, WalError};

/// The disk refused.
#[derive(Debug)]
pub(crate) struct Fault {
    pub(crate) what: &'static str,
    pub(crate) source: io::Error,
}

/// Says what was being done.
pub(crate) trait During<T> {
    fn during(self, what: &'static str) -> Result<T, Fault>;
}

impl<T> During<T> for io::Result<T> {
    fn during(self, what: &'static str) -> Result<T, Fault> {
        self.map_err(|source| Fault { what, source })
    }
}

impl From<Fault> for WalError {
    fn from(fault: Fault) -> Self {
        WalError::Failed { what: fault.what, source: Arc::new(fault.source) }
    }
}

impl From<Fault> for OpenError {
    fn from(fault: Fault) -> Self {
        OpenError::Io { what: fault.what, source: fault.source }
    }
}
