//! What a store holds, as a value: pure, shared by the store in a folder and its twin in memory. Records of a newer format are
//! in here, but nobody sees them; a change of such a key moves the newer record aside instead of erasing it.

use std::collections::BTreeMap;

use crate::{Batch, LONGEST_KEY, LONGEST_RECORD, MOST_RECORDS, Record, StoreError};

/// The format of copies and of the seal.
pub(crate) const CONTENTS_FORMAT: u16 = 1;
/// Before the key of a record of a newer format that made room for one of ours. No key of an owner begins with it.
const ASIDE: &str = "\u{1}aside/";

/// All records and the number of the commit that made them so.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Contents {
    pub commit: u64,
    pub records: BTreeMap<String, Record>,
}

impl Contents {
    /// The batch with what it puts aside, ready for the disk.
    pub fn plan(&self, batch: &Batch, newest_format: u16) -> Result<Batch, StoreError> {
        let mut planned = Batch::new();
        for (key, record) in batch {
            check(key, record.as_ref())?;
            if let Some(newer) = self.records.get(key).filter(|record| record.format > newest_format) {
                planned.insert(format!("{ASIDE}{}/{key}", newer.format), Some(newer.clone()));
            }
            planned.insert(key.clone(), record.clone());
        }
        if self.records.len().saturating_add(planned.len()) > MOST_RECORDS {
            return Err(StoreError::TooLarge("too many records"));
        }
        Ok(planned)
    }

    /// As it is after the planned batch.
    pub fn after(&self, planned: &Batch) -> Contents {
        let mut next = Contents { commit: self.commit.saturating_add(1), records: self.records.clone() };
        for (key, record) in planned {
            match record {
                Some(record) => next.records.insert(key.clone(), record.clone()),
                None => next.records.remove(key),
            };
        }
        next
    }

    /// The batch after which there is nothing but `kept`.
    pub fn plan_to_erase(&self, kept: &Batch) -> Result<Batch, StoreError> {
        kept.iter().try_for_each(|(key, record)| check(key, record.as_ref()))?;
        let gone = self.records.keys().map(|key| (key.clone(), None));
        Ok(gone.chain(kept.clone()).collect())
    }

    /// What turns `self` into `other`.
    pub fn difference(&self, other: &Contents) -> Batch {
        let gone = self.records.keys().filter(|key| !other.records.contains_key(*key)).map(|key| (key.clone(), None));
        let new = other.records.iter().filter(|(key, record)| self.records.get(*key) != Some(record));
        gone.chain(new.map(|(key, record)| (key.clone(), Some(record.clone())))).collect()
    }

    /// The records that this program can read.
    pub fn visible(&self, newest_format: u16) -> BTreeMap<String, Record> {
        let known = self.records.iter().filter(|(key, record)| record.format <= newest_format && !key.starts_with(ASIDE));
        known.map(|(key, record)| (key.clone(), record.clone())).collect()
    }

    /// How many records it cannot read.
    pub fn newer(&self, newest_format: u16) -> usize {
        self.records.iter().filter(|(key, record)| record.format > newest_format || key.starts_with(ASIDE)).count()
    }

    /// CRC-32 over commit number and all records.
    pub fn checksum(&self) -> u32 {
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(&self.commit.to_le_bytes());
        for (key, record) in &self.records {
            hasher.update(&(key.len() as u64).to_le_bytes());
            hasher.update(key.as_bytes());
            hasher.update(&record.format.to_le_bytes());
            hasher.update(&(record.bytes.len() as u64).to_le_bytes());
            hasher.update(&record.bytes);
        }
        hasher.finalize()
    }
}

fn check(key: &str, record: Option<&Record>) -> Result<(), StoreError> {
    if key.is_empty() || key.len() > LONGEST_KEY || key.starts_with('\u{1}') {
        return Err(StoreError::TooLarge("a key is empty or too long"));
    }
    match record {
        Some(record) if record.bytes.len() > LONGEST_RECORD => Err(StoreError::TooLarge("a record is too long")),
        _ => Ok(()),
    }
}
