//! What a certificate says.

use super::CertError;
use rgm_types::NodeName;
use std::fs;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::Path;
use std::time::{Duration, SystemTime};
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate, X509Name};

/// What a certificate says of itself; nobody has looked at its signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// What it is for.
    pub kind: Kind,
    /// The cluster: the organisation of its subject.
    pub cluster: Option<String>,
    /// The node: the common name of its subject, where a node can be called so.
    pub node: Option<NodeName>,
    /// Its whole subject.
    pub subject: String,
    /// Who signed it.
    pub issuer: String,
    /// Host names and addresses.
    pub hosts: Vec<String>,
    /// First moment it is valid.
    pub not_before: SystemTime,
    /// Last moment it is valid.
    pub not_after: SystemTime,
    /// Its number, hexadecimal.
    pub serial: String,
    public_key: Vec<u8>,
    der: Vec<u8>,
}

/// See [`Facts::kind`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It signs others.
    Authority,
    /// It shows who a node is.
    Node,
}

/// What the certificates in a file say.
pub fn read(path: &Path) -> Result<Vec<Facts>, CertError> {
    let bytes = fs::read(path).map_err(|source| CertError::File { path: path.to_owned(), source })?;
    let wrong = |reason: String| CertError::Wrong { path: path.to_owned(), reason };
    let facts = CertificateDer::pem_slice_iter(&bytes)
        .map(|der| Facts::of(&der.map_err(|error| wrong(error.to_string()))?).map_err(wrong))
        .collect::<Result<Vec<Facts>, CertError>>()?;
    if facts.is_empty() {
        return Err(wrong("there is no certificate in it".to_owned()));
    }
    Ok(facts)
}

impl Facts {
    /// Reads one; the error says what is wrong with it.
    pub(crate) fn of(der: &CertificateDer<'_>) -> Result<Self, String> {
        let (_, cert) =
            X509Certificate::from_der(der).map_err(|error| format!("it is no X.509 certificate: {error}"))?;
        let common_name = first_text(cert.subject().iter_common_name());
        Ok(Self {
            kind: if cert.is_ca() { Kind::Authority } else { Kind::Node },
            cluster: first_text(cert.subject().iter_organization()),
            node: common_name.and_then(|name| NodeName::new(&name).ok()),
            subject: shown(cert.subject()),
            issuer: shown(cert.issuer()),
            hosts: hosts(&cert),
            not_before: moment(cert.validity().not_before.timestamp()),
            not_after: moment(cert.validity().not_after.timestamp()),
            serial: cert.raw_serial_as_string(),
            public_key: cert.public_key().subject_public_key.data.to_vec(),
            der: der.to_vec(),
        })
    }

    /// How long it is still valid; `None` if it is not any more.
    pub fn left(&self, now: SystemTime) -> Option<Duration> {
        self.not_after.duration_since(now).ok()
    }

    pub(super) fn public_key(&self) -> &[u8] {
        &self.public_key
    }

    pub(crate) fn der(&self) -> Vec<u8> {
        self.der.clone()
    }
}

fn first_text<'a>(
    mut values: impl Iterator<Item = &'a x509_parser::prelude::AttributeTypeAndValue<'a>>,
) -> Option<String> {
    values.next().and_then(|value| value.as_str().ok()).map(str::to_owned)
}

/// A name with a control character in it is shown without.
fn shown(name: &X509Name<'_>) -> String {
    name.to_string().chars().filter(|c| !c.is_control()).collect()
}

fn hosts(cert: &X509Certificate<'_>) -> Vec<String> {
    let Ok(Some(names)) = cert.subject_alternative_name() else { return Vec::new() };
    names.value.general_names.iter().filter_map(host).collect()
}

#[expect(clippy::wildcard_enum_match_arm, reason = "other kinds of names name no host")]
fn host(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => match <[u8; 4]>::try_from(*bytes) {
            Ok(v4) => Some(Ipv4Addr::from(v4).to_string()),
            Err(_) => <[u8; 16]>::try_from(*bytes).ok().map(|v6| Ipv6Addr::from(v6).to_string()),
        },
        _ => None,
    }
}

fn moment(unix_secs: i64) -> SystemTime {
    let span = Duration::from_secs(unix_secs.unsigned_abs());
    let moment = if unix_secs < 0 {
        SystemTime::UNIX_EPOCH.checked_sub(span)
    } else {
        SystemTime::UNIX_EPOCH.checked_add(span)
    };
    moment.unwrap_or(SystemTime::UNIX_EPOCH)
}
