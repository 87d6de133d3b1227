//! Who may speak at all: both sides show a certificate that the cluster's authority signed.
//!
//! TLS 1.3 only, and no resumption: every connection looks at the certificates anew. The files are
//! read for each connection, so renewed ones are taken without a restart.
//!
//! What is verified here is the chain and the time. A host name is not looked at, on purpose: nodes
//! are known by the names in the subject, and those are compared in [`super::hello`], on both sides
//! by the same function.

use crate::cert::{CertError, Facts};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::client::{Resumption, verify_server_cert_signed_by_trust_anchor};
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use tokio_rustls::rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use tokio_rustls::rustls::server::{NoServerSessionStorage, ParsedCertificate, WebPkiClientVerifier};
use tokio_rustls::rustls::version::TLS13;
use tokio_rustls::rustls::{
    AlertDescription, CertificateError, ClientConfig, DigitallySignedStruct, DistinguishedName, Error,
    InvalidMessage, RootCertStore, ServerConfig, SignatureScheme,
};

/// Files that show who this node is (`[tls]` of `rgm.toml`).
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    /// Certificates of the authorities that are trusted; nearly always one.
    pub ca: PathBuf,
    /// This node's certificate.
    pub cert: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// Why the files can't be used.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// A certificate can't be read.
    #[error(transparent)]
    Cert(#[from] CertError),
    /// The key can't be read.
    #[error("{}: there is no private key to be read: {reason}", path.display())]
    Key {
        /// File.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// They can be read, and are not taken.
    #[error("{} with {}: {reason}", cert.display(), key.display())]
    Unfit {
        /// Certificate.
        cert: PathBuf,
        /// Key.
        key: PathBuf,
        /// What is wrong with them.
        reason: String,
    },
}

/// The files, read.
pub(super) struct Credentials {
    /// What this node's own certificate says.
    pub own: Facts,
    /// What those of the authorities say.
    pub authorities: Vec<Facts>,
    roots: Arc<RootCertStore>,
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    files: Identity,
    provider: Arc<CryptoProvider>,
}

/// What the other side has shown, whatever came of it.
pub(super) type Shown = Arc<OnceLock<Facts>>;

impl Identity {
    /// Reads the files.
    pub(super) fn load(&self) -> Result<Credentials, IdentityError> {
        let authorities = crate::cert::read(&self.ca)?;
        let chain = crate::cert::read(&self.cert)?;
        let key = PrivateKeyDer::from_pem_file(&self.key)
            .map_err(|error| IdentityError::Key { path: self.key.clone(), reason: error.to_string() })?;
        let mut roots = RootCertStore::empty();
        for authority in &authorities {
            roots.add(authority.der().into()).map_err(|error| self.unfit(&error.to_string()))?;
        }
        let ders = chain.iter().map(|facts| facts.der().into()).collect();
        let own = chain.into_iter().next().ok_or_else(|| self.unfit("there is no certificate"))?;
        Ok(Credentials {
            own,
            authorities,
            roots: Arc::new(roots),
            chain: ders,
            key,
            files: self.clone(),
            provider: Arc::new(default_provider()),
        })
    }

    fn unfit(&self, reason: &str) -> IdentityError {
        IdentityError::Unfit { cert: self.cert.clone(), key: self.key.clone(), reason: reason.to_owned() }
    }
}

impl Credentials {
    /// For a connection that this node makes.
    pub fn client(&self, shown: &Shown) -> Result<ClientConfig, IdentityError> {
        let verifier = self.verifier(shown)?;
        let mut config = ClientConfig::builder_with_provider(self.provider.clone())
            .with_protocol_versions(&[&TLS13])
            .map_err(|error| self.files.unfit(&error.to_string()))?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_client_auth_cert(self.chain.clone(), self.key.clone_key())
            .map_err(|error| self.files.unfit(&error.to_string()))?;
        config.resumption = Resumption::disabled();
        config.enable_sni = false;
        Ok(config)
    }

    /// For a connection that is made to this node.
    pub fn server(&self, shown: &Shown) -> Result<ServerConfig, IdentityError> {
        let verifier = self.verifier(shown)?;
        let mut config = ServerConfig::builder_with_provider(self.provider.clone())
            .with_protocol_versions(&[&TLS13])
            .map_err(|error| self.files.unfit(&error.to_string()))?
            .with_client_cert_verifier(Arc::new(verifier))
            .with_single_cert(self.chain.clone(), self.key.clone_key())
            .map_err(|error| self.files.unfit(&error.to_string()))?;
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Ok(config)
    }

    fn verifier(&self, shown: &Shown) -> Result<Verifier, IdentityError> {
        let clients =
            WebPkiClientVerifier::builder_with_provider(self.roots.clone(), self.provider.clone()).build();
        let clients = clients.map_err(|error| self.files.unfit(&error.to_string()))?;
        let (roots, provider) = (self.roots.clone(), self.provider.clone());
        Ok(Verifier { roots, provider, clients, shown: shown.clone() })
    }

    /// What of the files ends within that time, or has ended: file, and the moment of its end.
    pub fn ending(&self, now: SystemTime, within: Duration) -> Vec<(&Path, SystemTime)> {
        let own = (self.files.cert.as_path(), self.own.not_after);
        let authorities = self.authorities.iter().map(|facts| (self.files.ca.as_path(), facts.not_after));
        let soon = |end: SystemTime| end.duration_since(now).is_ok_and(|left| left > within);
        std::iter::once(own).chain(authorities).filter(|(_, end)| !soon(*end)).collect()
    }
}

/// Verifies the chain, and remembers what was shown, so that a refusal can say who was refused.
#[derive(Debug)]
struct Verifier {
    roots: Arc<RootCertStore>,
    provider: Arc<CryptoProvider>,
    clients: Arc<dyn ClientCertVerifier>,
    shown: Shown,
}

impl Verifier {
    fn remember(&self, cert: &CertificateDer<'_>) -> Result<(), Error> {
        let facts = Facts::of(cert).map_err(|_| CertificateError::BadEncoding)?;
        let _first = self.shown.set(facts);
        Ok(())
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        cert: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.remember(cert)?;
        let parsed = ParsedCertificate::try_from(cert)?;
        let algorithms = self.provider.signature_verification_algorithms.all;
        verify_server_cert_signed_by_trust_anchor(&parsed, &self.roots, intermediates, now, algorithms)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, signature, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, signature, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

impl ClientCertVerifier for Verifier {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.clients.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        cert: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.remember(cert)?;
        self.clients.verify_client_cert(cert, intermediates, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.clients.verify_tls12_signature(message, cert, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.clients.verify_tls13_signature(message, cert, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.clients.supported_verify_schemes()
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("own", &self.own).finish_non_exhaustive()
    }
}

/// What went wrong, in words of an operator.
pub(super) fn explain(error: &std::io::Error) -> String {
    let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
    match tls {
        Some(error) => explain_tls(error),
        None => error.to_string(),
    }
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "these are the ones an operator meets; the rest speak for themselves"
)]
fn explain_tls(error: &Error) -> String {
    match error {
        Error::InvalidCertificate(certificate) => explain_certificate(certificate),
        Error::NoCertificatesPresented => "it shows no certificate".to_owned(),
        Error::InvalidMessage(InvalidMessage::InvalidContentType) => "it does not speak TLS".to_owned(),
        Error::AlertReceived(alert) => match alert {
            AlertDescription::CertificateExpired => {
                "it refuses this node's certificate: it has expired, or the clocks differ".to_owned()
            }
            AlertDescription::UnknownCA | AlertDescription::DecryptError => {
                "it refuses this node's certificate: another authority signed it".to_owned()
            }
            AlertDescription::CertificateRequired => {
                "it wants a certificate, and this node has none".to_owned()
            }
            alert => format!("it refuses this node's certificate: {alert:?}"),
        },
        other => other.to_string(),
    }
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "these are the ones an operator meets; the rest speak for themselves"
)]
fn explain_certificate(error: &CertificateError) -> String {
    match error {
        CertificateError::ExpiredContext { not_after, .. } => {
            let end = UNIX_EPOCH + Duration::from_secs(not_after.as_secs());
            format!("its certificate has expired, at {}", humantime::format_rfc3339_seconds(end))
        }
        CertificateError::Expired => "its certificate has expired".to_owned(),
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "its certificate is not valid yet: the clocks differ".to_owned()
        }
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            "its certificate was signed by an authority that is not trusted here".to_owned()
        }
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            "its certificate is not meant for this: it needs the uses serverAuth and clientAuth".to_owned()
        }
        other => format!("its certificate is not accepted: {other}"),
    }
}
