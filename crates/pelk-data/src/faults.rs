//! Faults in the layout of a folder that leave the rest of it usable.

use crate::{DataError, FileOptions};

/// Collects faults or ends with the first of them, as [`FileOptions::lenient`] says.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    lenient: bool,
    found: Vec<DataError>,
}

impl Faults {
    pub fn new(options: &FileOptions) -> Self {
        Self { lenient: options.lenient, found: Vec::new() }
    }

    /// Keeps a fault.
    ///
    /// # Errors
    /// The fault, if they are not collected.
    pub fn add(&mut self, fault: DataError) -> Result<(), DataError> {
        if !self.lenient {
            return Err(fault);
        }
        self.found.push(fault);
        Ok(())
    }

    /// Whether faults are collected, for a report that also has the remarks.
    pub fn are_collected(&self) -> bool {
        self.lenient
    }

    pub fn found(&self) -> &[DataError] {
        &self.found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_collected_on_request_only() {
        let fault = |name: &str| DataError::layout(name, "is missing", "put it there");
        let mut faults = Faults::new(&FileOptions::default());
        assert!(faults.add(fault("a")).unwrap_err().to_string().starts_with("a is missing"));
        let mut faults = Faults::new(&FileOptions { lenient: true, ..FileOptions::default() });
        assert!(faults.add(fault("a")).is_ok() && faults.add(fault("b")).is_ok());
        assert_eq!(faults.found().len(), 2);
    }
}
