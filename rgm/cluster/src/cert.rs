//! The private certificate authority of a cluster, and the certificates of its nodes.
//!
//! A directory holds the authority (`ca.crt`, `ca.key`) and a pair for each node (`NODE.crt`,
//! `NODE.key`). A node needs `ca.crt` and its own pair; `ca.key` is only needed to issue.
//!
//! What a certificate says is in its subject: the organisation is the cluster, the common name is the
//! node. Links believe these two and nothing else ([`crate::net`]). Host names and addresses are in
//! it for other programs that may use the same pair, an etcd member for one.
//!
//! An authority and a key are never overwritten. A node that has a key gets a new certificate for
//! that key, in one rename: whoever reads the pair meanwhile never sees two halves that don't match.

mod facts;

pub use facts::{Facts, Kind, read};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SerialNumber,
};
use rgm_types::NodeName;
use std::fs::{self, DirBuilder, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::ServerName;

/// An authority is to outlive the machines it was made for: when it ends, so do all links at once.
pub const CA_DAYS: u32 = 7300;
/// A certificate that nobody renews ends a node's links; one in a thousand days is few enough to
/// forget how, so a warning comes 30 days before.
pub const NODE_DAYS: u32 = 1095;
/// Clocks of machines that are set up differ: a certificate is valid for one of an hour ago.
const BACKDATED: Duration = Duration::from_secs(3600);
/// Longest name of a cluster in a certificate (X.520, ub-organization-name).
const CLUSTER_LEN_MAX: usize = 64;
const DAY: Duration = Duration::from_secs(86_400);

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub enum CertError {
    /// It would have to be overwritten.
    #[error("{} exists, and is not overwritten", .0.display())]
    Exists(PathBuf),
    /// A file can't be read or written.
    #[error("{}", path.display())]
    File {
        /// File.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// There is no authority to issue with.
    #[error("there is no certificate authority in {}: {} is missing", dir.display(), missing.display())]
    NoCa {
        /// Where it was looked for.
        dir: PathBuf,
        /// What of it is missing.
        missing: PathBuf,
    },
    /// A file is not what it should be.
    #[error("{}: {reason}", path.display())]
    Wrong {
        /// File.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A cluster can't be called so.
    #[error("cluster name {name:?}: {reason}")]
    Cluster {
        /// Name.
        name: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A host can't be called so.
    #[error("host {0:?}: it is neither a host name nor an IP address")]
    Host(String),
    /// A time that can't be.
    #[error("{days} days: {reason}")]
    Days {
        /// How many were asked for.
        days: u32,
        /// What is wrong with them.
        reason: String,
    },
    /// A key or certificate could not be made.
    #[error("the certificate could not be made: {0}")]
    Made(#[from] rcgen::Error),
}

/// Files that are ready, and not written yet.
#[derive(Debug)]
pub struct Plan {
    dir: PathBuf,
    files: Vec<Planned>,
    /// What the certificate among them says.
    pub facts: Facts,
}

#[derive(Debug)]
struct Planned {
    path: PathBuf,
    text: String,
    mode: u32,
    replaces: bool,
}

/// Makes an authority for a cluster, and writes it.
pub fn init(dir: &Path, cluster: &str) -> Result<Plan, CertError> {
    let plan = plan_init(dir, cluster)?;
    plan.write()?;
    Ok(plan)
}

/// Makes a certificate for a node, and writes it.
pub fn issue(dir: &Path, node: &NodeName, hosts: &[String], days: u32) -> Result<Plan, CertError> {
    let plan = plan_issue(dir, node, hosts, days)?;
    plan.write()?;
    Ok(plan)
}

/// All that [`init`] does, but for writing.
pub fn plan_init(dir: &Path, cluster: &str) -> Result<Plan, CertError> {
    check_cluster(cluster)?;
    let (cert_path, key_path) = (dir.join("ca.crt"), dir.join("ca.key"));
    if let Some(path) = [&cert_path, &key_path].into_iter().find(|path| fs::symlink_metadata(path).is_ok()) {
        return Err(CertError::Exists(path.clone()));
    }
    let mut params = params(cluster, "certificate authority", CA_DAYS)?;
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let key = KeyPair::generate()?;
    let cert = params.self_signed(&key)?;
    let facts =
        Facts::of(cert.der()).map_err(|reason| CertError::Wrong { path: cert_path.clone(), reason })?;
    let files = vec![Planned::key(key_path, &key), Planned::cert(cert_path, cert.pem(), false)];
    Ok(Plan { dir: dir.to_owned(), files, facts })
}

/// All that [`issue`] does, but for writing. A node that has a key keeps it; if no host is named,
/// those of the certificate it has are taken over.
pub fn plan_issue(dir: &Path, node: &NodeName, hosts: &[String], days: u32) -> Result<Plan, CertError> {
    let authority = Authority::open(dir)?;
    let cluster = authority.facts.cluster.clone().unwrap_or_default();
    let (cert_path, key_path) = (dir.join(format!("{node}.crt")), dir.join(format!("{node}.key")));
    if days == 0 {
        return Err(CertError::Days { days, reason: "it is at least one".to_owned() });
    }
    let renewed = fs::symlink_metadata(&cert_path).is_ok();
    let mut names = hosts.to_vec();
    if names.is_empty() && renewed {
        names = first(&cert_path)?.hosts;
    }
    let mut params = params(&cluster, node.as_str(), days)?;
    params.subject_alt_names = CertificateParams::new(host_names(node, names)?)?.subject_alt_names;
    params.extended_key_usages =
        vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.use_authority_key_identifier_extension = true;
    let kept = fs::symlink_metadata(&key_path).is_ok();
    let key = if kept { read_key(&key_path)? } else { KeyPair::generate()? };
    let cert = params.signed_by(&key, &authority.issuer)?;
    let facts =
        Facts::of(cert.der()).map_err(|reason| CertError::Wrong { path: cert_path.clone(), reason })?;
    if facts.not_after > authority.facts.not_after {
        let reason = "the certificate authority itself does not last so long".to_owned();
        return Err(CertError::Days { days, reason });
    }
    let mut files = vec![Planned::cert(cert_path, cert.pem(), renewed)];
    if !kept {
        files.insert(0, Planned::key(key_path, &key));
    }
    Ok(Plan { dir: dir.to_owned(), files, facts })
}

impl Plan {
    /// The files, and whether each of them replaces one.
    pub fn files(&self) -> impl Iterator<Item = (&Path, bool)> {
        self.files.iter().map(|file| (file.path.as_path(), file.replaces))
    }

    /// Writes them, each of them whole or not at all; the key first, so that there never is a
    /// certificate without one.
    pub fn write(&self) -> Result<(), CertError> {
        let made = DirBuilder::new().recursive(true).mode(0o755).create(&self.dir);
        made.map_err(|source| CertError::File { path: self.dir.clone(), source })?;
        self.files.iter().try_for_each(|file| file.write(&self.dir))
    }
}

impl Planned {
    fn key(path: PathBuf, key: &KeyPair) -> Self {
        Self { path, text: key.serialize_pem(), mode: 0o600, replaces: false }
    }

    fn cert(path: PathBuf, text: String, replaces: bool) -> Self {
        Self { path, text, mode: 0o644, replaces }
    }

    fn write(&self, dir: &Path) -> Result<(), CertError> {
        let failed = |source| CertError::File { path: self.path.clone(), source };
        let mut file = tempfile::NamedTempFile::new_in(dir).map_err(failed)?;
        file.write_all(self.text.as_bytes()).map_err(failed)?;
        file.as_file().set_permissions(Permissions::from_mode(self.mode)).map_err(failed)?;
        file.as_file().sync_all().map_err(failed)?;
        let kept = if self.replaces { file.persist(&self.path) } else { file.persist_noclobber(&self.path) };
        match kept {
            Ok(_) => fs::File::open(dir).and_then(|dir| dir.sync_all()).map_err(failed),
            Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => {
                Err(CertError::Exists(self.path.clone()))
            }
            Err(error) => Err(failed(error.error)),
        }
    }
}

/// Who signs.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    facts: Facts,
}

impl Authority {
    fn open(dir: &Path) -> Result<Self, CertError> {
        let (cert_path, key_path) = (dir.join("ca.crt"), dir.join("ca.key"));
        if let Some(missing) = [&cert_path, &key_path].into_iter().find(|path| !path.exists()) {
            return Err(CertError::NoCa { dir: dir.to_owned(), missing: missing.clone() });
        }
        let key = read_key(&key_path)?;
        let wrong = |reason: &str| CertError::Wrong { path: cert_path.clone(), reason: reason.to_owned() };
        // Others may stand beside the one that signs: they are only trusted.
        let ours = read(&cert_path)?.into_iter().find(|facts| facts.public_key() == key.public_key_raw());
        let facts = ours.ok_or_else(|| wrong("no certificate in it belongs to ca.key"))?;
        if facts.kind != Kind::Authority {
            return Err(wrong("it is not the certificate of an authority"));
        }
        if facts.cluster.is_none() {
            return Err(wrong("it names no cluster: its subject has no organisation"));
        }
        let issuer = Issuer::from_ca_cert_der(&facts.der().into(), key)?;
        Ok(Self { issuer, facts })
    }
}

fn read_key(path: &Path) -> Result<KeyPair, CertError> {
    let text = fs::read_to_string(path);
    let text = text.map_err(|source| CertError::File { path: path.to_owned(), source })?;
    KeyPair::from_pem(&text).map_err(|error| CertError::Wrong {
        path: path.to_owned(),
        reason: format!("it is no private key: {error}"),
    })
}

fn first(path: &Path) -> Result<Facts, CertError> {
    let none =
        || CertError::Wrong { path: path.to_owned(), reason: "there is no certificate in it".to_owned() };
    read(path)?.into_iter().next().ok_or_else(none)
}

fn check_cluster(name: &str) -> Result<(), CertError> {
    let reason = if name.is_empty() {
        "it is empty"
    } else if name.len() > CLUSTER_LEN_MAX {
        "it is longer than 64 bytes"
    } else if name.chars().any(char::is_control) {
        "there is a control character in it"
    } else {
        return Ok(());
    };
    Err(CertError::Cluster { name: name.to_owned(), reason })
}

/// The node's own name first, where a host could be called so, then the others, each of them once.
fn host_names(node: &NodeName, hosts: Vec<String>) -> Result<Vec<String>, CertError> {
    if let Some(wrong) = hosts.iter().find(|host| ServerName::try_from(host.as_str()).is_err()) {
        return Err(CertError::Host(wrong.clone()));
    }
    let own = Some(node.as_str().to_owned()).filter(|name| ServerName::try_from(name.as_str()).is_ok());
    let mut names: Vec<String> = own.into_iter().collect();
    for host in hosts {
        if !names.contains(&host) {
            names.push(host);
        }
    }
    Ok(names)
}

fn params(cluster: &str, name: &str, days: u32) -> Result<CertificateParams, CertError> {
    let now = SystemTime::now();
    let end = now.checked_add(DAY * days).filter(|end| year(*end) < 9999);
    let end = end.ok_or_else(|| CertError::Days { days, reason: "that is too far away".to_owned() })?;
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::OrganizationName, cluster);
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = now.checked_sub(BACKDATED).unwrap_or(now).into();
    params.not_after = end.into();
    params.serial_number = Some(serial()?);
    Ok(params)
}

/// About: it keeps a date within what a certificate can say.
fn year(time: SystemTime) -> u64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    1970 + since.as_secs() / (365 * DAY.as_secs())
}

/// Random, and positive. Two certificates of one key would have the same number without it.
fn serial() -> Result<SerialNumber, CertError> {
    let mut bytes = [0; 16];
    let filled = default_provider().secure_random.fill(&mut bytes);
    filled.map_err(|_| CertError::Made(rcgen::Error::RingUnspecified))?;
    bytes[0] = bytes[0] & 0x7f | 0x40;
    Ok(SerialNumber::from_slice(&bytes))
}

#[cfg(test)]
mod tests;
