//! `[etcd]` of `rgm.toml`: where etcd is, and how to speak to it.

use crate::{Error, Keys};
use serde::{Deserialize, Deserializer};
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tonic::transport::{Certificate, ClientTlsConfig, Identity};

/// The settings. A default has no endpoint, which [`crate::Client::new`] refuses.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Addresses of etcd's members for clients, `https://HOST:PORT` or `http://HOST:PORT`; without a
    /// scheme `https` if `ca` is given. Tried in this order, so the nearest one goes first.
    pub endpoints: Vec<String>,
    /// File with the certificates that etcd's own certificates must come from, PEM.
    pub ca: Option<PathBuf>,
    /// File with this node's certificate for etcd, PEM.
    pub cert: Option<PathBuf>,
    /// File with the key of that certificate, PEM.
    pub key: Option<PathBuf>,
    /// User of etcd, where it asks for one.
    pub user: Option<String>,
    /// The user's password.
    pub password: Option<Password>,
    /// What all keys of this cluster begin with; `/rgm/CLUSTER/` where empty.
    pub prefix: String,
    /// How long one request may take, all endpoints together.
    #[serde(deserialize_with = "span")]
    pub timeout: Duration,
}

/// A password: it does not show in messages.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Password(pub String);

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            endpoints: Vec::new(),
            ca: None,
            cert: None,
            key: None,
            user: None,
            password: None,
            prefix: String::new(),
            // Members of etcd elect a new leader in one to two seconds; a request outlasts that.
            timeout: Duration::from_secs(3),
        }
    }
}

impl Settings {
    /// With the prefix of that cluster, where none was set.
    #[must_use]
    pub fn of_cluster(mut self, cluster: &str) -> Self {
        if self.prefix.is_empty() {
            self.prefix = format!("/rgm/{cluster}/");
        }
        self
    }

    /// The keys of this cluster. The prefix must have been set: see [`Settings::of_cluster`].
    pub fn keys(&self) -> Keys {
        Keys::new(&self.prefix)
    }

    /// The endpoints as URLs, and whether they speak TLS.
    pub(crate) fn urls(&self) -> Result<Vec<String>, Error> {
        let secure = self.ca.is_some();
        let scheme = if secure { "https" } else { "http" };
        let refuse = |reason: String| Err(Error::Settings { reason });
        if self.endpoints.is_empty() {
            return refuse("endpoints: none is named".to_owned());
        }
        let mut urls = Vec::new();
        for endpoint in &self.endpoints {
            let url = if endpoint.contains("://") {
                endpoint.trim_end_matches('/').to_owned()
            } else {
                format!("{scheme}://{endpoint}")
            };
            match (url.split_once("://"), secure) {
                (Some(("https", _)), true) | (Some(("http", _)), false) => urls.push(url),
                (Some(("https", _)), false) => {
                    return refuse(format!("endpoints: {endpoint} speaks TLS, which needs ca"));
                }
                (Some(("http", _)), true) => {
                    return refuse(format!("endpoints: ca is given, and {endpoint} would speak without TLS"));
                }
                (Some(_) | None, _) => {
                    return refuse(format!("endpoints: {endpoint} is neither http:// nor https://"));
                }
            }
        }
        Ok(urls)
    }

    /// What the TLS files say; `None` without TLS.
    pub(crate) fn tls(&self) -> Result<Option<ClientTlsConfig>, Error> {
        let Some(ca) = &self.ca else {
            return match &self.cert {
                None => Ok(None),
                Some(_) => Err(Error::Settings { reason: "cert is given without ca".to_owned() }),
            };
        };
        let mut config = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(read("ca", ca)?));
        match (&self.cert, &self.key) {
            (Some(cert), Some(key)) => {
                config = config.identity(Identity::from_pem(read("cert", cert)?, read("key", key)?));
            }
            (None, None) => {}
            (Some(_), None) | (None, Some(_)) => {
                return Err(Error::Settings {
                    reason: "cert and key go together, one is missing".to_owned(),
                });
            }
        }
        Ok(Some(config))
    }

    pub(crate) fn login(&self) -> Result<Option<(String, String)>, Error> {
        match (&self.user, &self.password) {
            (Some(user), Some(password)) => Ok(Some((user.clone(), password.0.clone()))),
            (None, None) => Ok(None),
            (Some(_), None) | (None, Some(_)) => {
                Err(Error::Settings { reason: "user and password go together, one is missing".to_owned() })
            }
        }
    }
}

fn read(setting: &str, path: &Path) -> Result<Vec<u8>, Error> {
    std::fs::read(path)
        .map_err(|error| Error::Settings { reason: format!("{setting}: {}: {error}", path.display()) })
}

fn span<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    humantime::parse_duration(&text)
        .map_err(|error| serde::de::Error::custom(format!("{text:?} is no span like \"3s\": {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Settings, String> {
        toml::from_str(text).map_err(|error| error.to_string())
    }

    #[test]
    fn every_key_is_taken_and_the_password_does_not_show() {
        let settings = parse(
            "endpoints = ['https://a:2379']\nca = '/ca'\ncert = '/cert'\nkey = '/key'\nuser = 'rgm'\n\
             password = 'secret'\nprefix = '/x/'\ntimeout = '500ms'",
        )
        .unwrap();
        assert_eq!(settings.timeout, Duration::from_millis(500));
        assert_eq!(settings.login().unwrap(), Some(("rgm".to_owned(), "secret".to_owned())));
        assert!(!format!("{settings:?}").contains("secret"));
        assert_eq!(settings.of_cluster("planets").keys(), Keys::new("/x/"));
        assert_eq!(Settings::default().of_cluster("planets").keys(), Keys::new("/rgm/planets/"));
        assert!(parse("endpoint = ['a']").unwrap_err().contains("unknown field `endpoint`"));
        assert!(parse("timeout = 3").is_err());
    }

    #[test]
    fn an_endpoint_without_a_scheme_speaks_tls_where_a_ca_is_given() {
        let urls = |endpoint: &str, ca: Option<&str>| {
            Settings {
                endpoints: vec![endpoint.to_owned()],
                ca: ca.map(PathBuf::from),
                ..Settings::default()
            }
            .urls()
            .map_err(|error| error.to_string())
        };
        assert_eq!(urls("a:1", None).unwrap(), ["http://a:1"]);
        assert_eq!(urls("a:1", Some("/ca")).unwrap(), ["https://a:1"]);
        assert_eq!(urls("https://a:1/", Some("/ca")).unwrap(), ["https://a:1"]);
        assert!(urls("https://a:1", None).unwrap_err().contains("needs ca"));
        assert!(urls("http://a:1", Some("/ca")).unwrap_err().contains("without TLS"));
        assert!(urls("ftp://a:1", None).unwrap_err().contains("neither"));
    }

    #[test]
    fn what_goes_together_is_missed_when_half_of_it_is_there() {
        let check = |settings: Settings, text: &str| {
            let error = settings.tls().map(drop).and(settings.login().map(drop)).unwrap_err().to_string();
            assert!(error.contains(text), "{error}");
        };
        let settings = Settings::default;
        check(Settings { user: Some("a".to_owned()), ..settings() }, "user and password go together");
        check(Settings { cert: Some("/c".into()), ..settings() }, "cert is given without ca");
        check(Settings { ca: Some("/no/such/ca".into()), ..settings() }, "ca: /no/such/ca: No such file");
    }
}
