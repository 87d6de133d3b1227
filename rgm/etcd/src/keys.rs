//! Where everything of a cluster lies in etcd: the one place that knows the layout.
//!
//! Below a prefix that is the cluster's own (`/rgm/CLUSTER/` unless the settings say otherwise), so
//! that several clusters share an etcd:
//!
//! | key | value | lease |
//! |---|---|---|
//! | `conf/generation` | number, format and author of the last commit | none |
//! | `conf/e/KIND/NAME` | one entry of the configuration | none |
//! | `conf/p/KIND/NAME/N` | the rest of an entry too large for one key | none |
//! | `conf/batch/GENERATION/N` | a piece of a commit too large for one transaction, until it is applied | none |
//! | `live/members/NODE` | a node that is alive: its incarnation, address, version | the node's |
//! | `live/president` | the node that decides; the revision that made it is its epoch | the node's |
//!
//! Nodes and names hold no slash, so that no key is the beginning of another kind's.

/// The keys of one cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keys {
    prefix: String,
}

impl Keys {
    /// Those below that prefix; a slash at its end is added where it is missing.
    pub fn new(prefix: &str) -> Self {
        let slash = if prefix.ends_with('/') { "" } else { "/" };
        Self { prefix: format!("{prefix}{slash}") }
    }

    /// What all keys of the cluster begin with.
    pub fn prefix(&self) -> Vec<u8> {
        self.key("")
    }

    /// What all keys of the configuration begin with.
    pub fn conf(&self) -> Vec<u8> {
        self.key("conf/")
    }

    /// The generation of the configuration.
    pub fn generation(&self) -> Vec<u8> {
        self.key("conf/generation")
    }

    /// What the keys of all entries begin with.
    pub fn entries(&self) -> Vec<u8> {
        self.key("conf/e/")
    }

    /// An entry, by its key as text: `group/dns-rg`.
    pub fn entry(&self, key: &str) -> Vec<u8> {
        self.key(&format!("conf/e/{key}"))
    }

    /// The text of an entry's key; `None` for another key.
    pub fn entry_of<'a>(&self, key: &'a [u8]) -> Option<&'a str> {
        str::from_utf8(key.strip_prefix(self.entries().as_slice())?).ok()
    }

    /// What the further parts of a large entry begin with, by its key as text.
    pub fn parts(&self, key: &str) -> Vec<u8> {
        self.key(&format!("conf/p/{key}/"))
    }

    /// One of them. They come in the order of their numbers.
    pub fn part(&self, key: &str, number: usize) -> Vec<u8> {
        self.key(&format!("conf/p/{key}/{number:06}"))
    }

    /// Entry and number of such a key; `None` for another key.
    pub fn part_of<'a>(&self, key: &'a [u8]) -> Option<(&'a str, usize)> {
        let rest = str::from_utf8(key.strip_prefix(self.key("conf/p/").as_slice())?).ok()?;
        let (key, number) = rest.rsplit_once('/')?;
        Some((key, number.parse().ok()?))
    }

    /// What the pieces of all batches begin with.
    pub fn batches(&self) -> Vec<u8> {
        self.key("conf/batch/")
    }

    /// What the pieces of the batch of one commit begin with. `batch` names the commit: generation
    /// and author, no slash.
    pub fn batch(&self, batch: &str) -> Vec<u8> {
        self.key(&format!("conf/batch/{batch}/"))
    }

    /// One piece of it. They come in the order of their numbers.
    pub fn piece(&self, batch: &str, number: usize) -> Vec<u8> {
        self.key(&format!("conf/batch/{batch}/{number:06}"))
    }

    /// What the keys of all that lives begin with: the nodes, and the president among them.
    pub fn live(&self) -> Vec<u8> {
        self.key("live/")
    }

    /// What the keys of all living nodes begin with.
    pub fn members(&self) -> Vec<u8> {
        self.key("live/members/")
    }

    /// A living node.
    pub fn member(&self, node: &str) -> Vec<u8> {
        self.key(&format!("live/members/{node}"))
    }

    /// The node of such a key; `None` for another key.
    pub fn member_of<'a>(&self, key: &'a [u8]) -> Option<&'a str> {
        str::from_utf8(key.strip_prefix(self.members().as_slice())?).ok()
    }

    /// The president.
    pub fn president(&self) -> Vec<u8> {
        self.key("live/president")
    }

    /// Is it the president's?
    pub fn is_president(&self, key: &[u8]) -> bool {
        key == self.president()
    }

    fn key(&self, rest: &str) -> Vec<u8> {
        format!("{}{rest}", self.prefix).into_bytes()
    }
}

/// The first key behind all that begin with `prefix`: what etcd calls the end of a range. One zero
/// byte, which means the end of everything, where there is no such key.
pub(crate) fn end_of(prefix: &[u8]) -> Vec<u8> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if last < u8::MAX {
            end.push(last + 1);
            return end;
        }
    }
    vec![0]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_tells_what_it_is_about() {
        let keys = Keys::new("/rgm/planets");
        assert_eq!(keys, Keys::new("/rgm/planets/"));
        assert_eq!(keys.entry("group/dns"), b"/rgm/planets/conf/e/group/dns");
        assert_eq!(keys.entry_of(&keys.entry("group/dns")), Some("group/dns"));
        assert_eq!(keys.entry_of(&keys.generation()), None);
        assert_eq!(keys.part_of(&keys.part("group/dns", 7)), Some(("group/dns", 7)));
        assert_eq!(keys.part_of(&keys.entry("group/dns")), None);
        assert!(keys.part("cluster", 2).starts_with(&keys.parts("cluster")));
        assert_eq!(keys.member_of(&keys.member("phys-1")), Some("phys-1"));
        assert_eq!(keys.member_of(&keys.president()), None);
        assert!(
            keys.piece("7-a", 9) < keys.piece("7-a", 10) && keys.piece("7-a", 99) < keys.piece("7-a", 100)
        );
        assert!(keys.piece("7-a", 1).starts_with(&keys.batch("7-a")));
    }

    #[test]
    fn a_range_ends_behind_the_last_key_with_the_prefix() {
        for (prefix, end) in [
            (&b"a/"[..], &b"a0"[..]),
            (b"a\xff", b"b"),
            (b"\xff\xff", b"\0"),
            (b"", b"\0"),
            (b"a\xfe", b"a\xff"),
        ] {
            assert_eq!(end_of(prefix), end, "{prefix:?}");
        }
    }
}
