//! Between the layers' records and those of the store: the key says layer and parameter, the bytes are the value with its
//! history.

use settings::layers::{self, FORMAT, Layer, Stored, Write};
use store::{Batch, Record};

/// Why a stored record cannot be used. It stays where it is.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RecordError {
    #[error("its key names no layer")]
    Key,
    #[error("it cannot be read: {0}")]
    Bytes(#[from] postcard::Error),
}

/// A record of the layers from one of the store.
pub(crate) fn read(key: &str, record: &Record) -> Result<layers::Record, RecordError> {
    let (layer, name) = key.split_once('/').ok_or(RecordError::Key)?;
    let layer = Layer::from_name(layer).ok_or(RecordError::Key)?;
    let stored: Stored = postcard::from_bytes(&record.bytes)?;
    Ok(layers::Record { format: record.format, layer, name: name.to_owned(), stored })
}

/// One transaction for the store.
pub(crate) fn batch(writes: &[Write]) -> Result<Batch, RecordError> {
    let one = |write: &Write| {
        let record = match write {
            Write::Put(record) => Some(Record { format: FORMAT, bytes: postcard::to_stdvec(&record.stored)? }),
            Write::Delete { .. } => None,
        };
        Ok((write.key(), record))
    };
    writes.iter().map(one).collect()
}
