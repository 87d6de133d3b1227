//! The store on this machine: one redb file, and what it holds kept in memory.
//!
//! Reads are served from memory, so they go on when the disk fails. A commit is one redb
//! transaction, written with checksums and synced before it counts. redb refuses to go on after an
//! I/O error, and a commit that failed half-way may lie in the file whole or not at all; so after a
//! failed one the file is opened anew, and brought back to what memory holds should it have got
//! further. Where that fails too (the disk is still full), it is tried again before the next commit.
//!
//! The file is checked wholly when it is opened: a damaged or empty one is refused, never started
//! over. A new one is made under another name, so that it is there whole or not at all. A lock file
//! beside it keeps a second rgmd away, also while the store itself is reopened.

mod errors;
mod lock;

use crate::{Repository, StoreError, record};
use errors::Explain;
use lock::Lock;
use redb::backends::FileBackend;
use redb::{Builder, Database, ReadableDatabase, ReadableTable, StorageBackend, TableDefinition};
use rgm_types::{Entry, Generation, Key, Write};
use std::collections::BTreeMap;
use std::fmt;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Entries by [`Key`] as text; [`record`] says how a value looks.
const ENTRIES: TableDefinition<&str, &[u8]> = TableDefinition::new("entries");
/// Numbers about the whole, under the names below.
const META: TableDefinition<&str, u64> = TableDefinition::new("meta");
/// In [`META`]: the generation; none in an empty store.
const GENERATION: &str = "generation";

/// Memory redb may use for pages. It reads the file once and the rest is writing, so a little
/// serves; a configuration of ten thousand entries has some 10 MB.
const CACHE_BYTES: usize = 8 << 20;

type Opener = Box<dyn FnMut() -> Result<Database, StoreError> + Send>;

/// See the module.
pub struct Embedded {
    store: String,
    open: Opener,
    /// `None` after a failed commit, until it could be opened again.
    database: Option<Database>,
    kept: Kept,
    _lock: Option<Lock>,
}

impl fmt::Debug for Embedded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Embedded").field("store", &self.store).finish_non_exhaustive()
    }
}

/// What was committed last.
#[derive(Debug, Default, PartialEq)]
struct Kept {
    generation: Generation,
    entries: BTreeMap<Key, Entry>,
}

impl Embedded {
    /// Opens the store in `path`, or makes an empty one there. The directory must exist.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let lock = Lock::take(path)?;
        let store = path.display().to_string();
        if !path.try_exists().explain(&store)? {
            make_file(path, &store)?;
        }
        let file = path.to_owned();
        let mut opened = Self::open_on(store, move || open_file(&file))?;
        opened._lock = Some(lock);
        Ok(opened)
    }

    /// Opens a store that does its I/O by what `backend` gives: called once now, and once after each
    /// failed commit. `store` names it in errors.
    pub fn open_on<B: StorageBackend>(
        store: String,
        mut backend: impl FnMut() -> io::Result<B> + Send + 'static,
    ) -> Result<Self, StoreError> {
        let name = store.clone();
        let mut open: Opener = Box::new(move || {
            let backend = backend().explain(&name)?;
            builder().create_with_backend(backend).explain(&name)
        });
        let database = open()?;
        let kept = read(&database, &store)?;
        Ok(Self { store, open, database: Some(database), kept, _lock: None })
    }

    /// The database, opened anew if the last commit failed.
    fn database(&mut self) -> Result<&Database, StoreError> {
        let database = match self.database.take() {
            Some(database) => database,
            None => {
                let database = (self.open)()?;
                if read(&database, &self.store)? != self.kept {
                    rewrite(&database, &self.kept).explain(&self.store)?;
                }
                database
            }
        };
        Ok(self.database.insert(database))
    }
}

impl Repository for Embedded {
    fn load(&self) -> Result<(Generation, Vec<Entry>), StoreError> {
        Ok((self.kept.generation, self.kept.entries.values().cloned().collect()))
    }

    fn commit(&mut self, expected: Generation, writes: &[Write]) -> Result<Generation, StoreError> {
        let found = self.kept.generation;
        if expected != found {
            return Err(StoreError::Stale { expected, found });
        }
        let next = Generation(found.0 + 1);
        if let Err(error) = transact(self.database()?, next, writes) {
            let error = errors::explain(error, &self.store);
            self.database = None;
            // Undone at once if the disk allows; if not, before the next commit.
            let _ = self.database();
            return Err(error);
        }
        self.kept.generation = next;
        for write in writes {
            match write {
                Write::Put(entry) => self.kept.entries.insert(entry.key(), entry.clone()),
                Write::Delete(key) => self.kept.entries.remove(key),
            };
        }
        Ok(next)
    }
}

fn builder() -> Builder {
    let mut builder = Builder::new();
    builder.set_cache_size(CACHE_BYTES).set_check_integrity_on_open(true);
    builder
}

fn open_file(path: &PathBuf) -> io::Result<FileBackend> {
    let file = OpenOptions::new().read(true).write(true).open(path)?;
    if file.metadata()?.len() == 0 {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "the file is empty"));
    }
    FileBackend::new(file).map_err(io::Error::other)
}

/// Makes an empty store: under another name first, and under its own once it is whole.
fn make_file(path: &Path, store: &str) -> Result<(), StoreError> {
    let mut new = path.as_os_str().to_owned();
    new.push(".new");
    let new = Path::new(&new);
    let made = (|| {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(true).mode(0o600);
        let backend = FileBackend::new(options.open(new)?)?;
        builder().create_with_backend(backend)?.close()?;
        std::fs::rename(new, path)?;
        // The name must last as long as the content.
        File::open(path.parent().unwrap_or(Path::new("/")))?.sync_all()?;
        Ok::<(), redb::Error>(())
    })();
    if made.is_err() {
        // It is in nobody's way: the next attempt writes over it.
        let _ = std::fs::remove_file(new);
    }
    made.explain(store)
}

fn transact(database: &Database, generation: Generation, writes: &[Write]) -> Result<(), redb::Error> {
    let transaction = database.begin_write()?;
    {
        let mut entries = transaction.open_table(ENTRIES)?;
        for write in writes {
            let key = write.key().to_string();
            match write {
                Write::Put(entry) => entries.insert(key.as_str(), record::encode(entry).as_slice())?,
                Write::Delete(_) => entries.remove(key.as_str())?,
            };
        }
        transaction.open_table(META)?.insert(GENERATION, generation.0)?;
    }
    Ok(transaction.commit()?)
}

/// Makes the file hold what memory holds.
fn rewrite(database: &Database, kept: &Kept) -> Result<(), redb::Error> {
    let transaction = database.begin_write()?;
    transaction.delete_table(ENTRIES)?;
    {
        let mut entries = transaction.open_table(ENTRIES)?;
        for (key, entry) in &kept.entries {
            entries.insert(key.to_string().as_str(), record::encode(entry).as_slice())?;
        }
        transaction.open_table(META)?.insert(GENERATION, kept.generation.0)?;
    }
    Ok(transaction.commit()?)
}

fn read(database: &Database, store: &str) -> Result<Kept, StoreError> {
    let transaction = database.begin_read().explain(store)?;
    let meta = match transaction.open_table(META) {
        Err(redb::TableError::TableDoesNotExist(_)) => return Ok(Kept::default()),
        meta => meta.explain(store)?,
    };
    let generation = meta.get(GENERATION).explain(store)?.map(|generation| generation.value());
    let corrupt = |reason: &str| StoreError::Corrupt { store: store.to_owned(), reason: reason.to_owned() };
    let generation = Generation(generation.ok_or_else(|| corrupt("it has no generation"))?);
    let mut entries = BTreeMap::new();
    for item in transaction.open_table(ENTRIES).explain(store)?.iter().explain(store)? {
        let (key, value) = item.explain(store)?;
        let entry = record::decode(store, key.value(), value.value())?;
        entries.insert(entry.key(), entry);
    }
    Ok(Kept { generation, entries })
}
