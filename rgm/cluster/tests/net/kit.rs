//! Hubs on 127.0.0.1 with real certificates, and what a test asks of them.

use rgm_cluster::cert;
use rgm_cluster::net::{Hub, HubSetup, Identity, LinkSettings, LinkStatus, NetEvent, Peer};
use rgm_types::NodeName;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};
use tokio_rustls::rustls;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// Longer than anything here takes on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// A name.
pub fn name(text: &str) -> NodeName {
    NodeName::new(text).unwrap()
}

/// A cluster's certificates.
pub struct Site {
    pub cluster: String,
    pub dir: TempDir,
}

impl Site {
    /// With an authority.
    pub fn new(cluster: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        cert::init(dir.path(), cluster).unwrap();
        Self { cluster: cluster.to_owned(), dir }
    }

    /// A node's files, issued if there are none.
    pub fn identity(&self, node: &str) -> Identity {
        let path = |file: String| self.dir.path().join(file);
        if !path(format!("{node}.crt")).exists() {
            cert::issue(self.dir.path(), &name(node), &[], 90).unwrap();
        }
        Identity {
            ca: path("ca.crt".into()),
            cert: path(format!("{node}.crt")),
            key: path(format!("{node}.key")),
        }
    }

    /// What a node of it is started with.
    pub fn setup(&self, node: &str, incarnation: u64) -> HubSetup {
        HubSetup {
            cluster: self.cluster.clone(),
            me: name(node),
            incarnation,
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            identity: self.identity(node),
            settings: LinkSettings::default(),
            asides: tokio::sync::mpsc::unbounded_channel().0,
        }
    }

    /// A node.
    pub async fn node(&self, node: &str, incarnation: u64) -> Node {
        Node::start(self.setup(node, incarnation)).await
    }

    /// Two nodes that are to be connected, and are.
    pub async fn pair(&self) -> (Node, Node) {
        let (mut a, mut b) = (self.node("a", 1).await, self.node("b", 1).await);
        a.hub.set_peers(vec![b.peer()]);
        b.hub.set_peers(vec![a.peer()]);
        a.up("b", 1).await;
        b.up("a", 1).await;
        (a, b)
    }
}

/// A hub, and what it tells.
pub struct Node {
    pub me: NodeName,
    pub incarnation: u64,
    pub hub: Hub,
    pub events: UnboundedReceiver<NetEvent>,
}

impl Node {
    pub async fn start(setup: HubSetup) -> Self {
        let (sender, events) = unbounded_channel();
        let (me, incarnation) = (setup.me.clone(), setup.incarnation);
        let hub = Hub::start(setup, sender).await.unwrap();
        Self { me, incarnation, hub, events }
    }

    /// As others are to know it.
    pub fn peer(&self) -> Peer {
        self.peer_at(self.hub.address())
    }

    /// The same, reached at another address.
    pub fn peer_at(&self, address: SocketAddr) -> Peer {
        Peer { node: self.me.clone(), address: address.to_string(), incarnation: self.incarnation }
    }

    /// What happens next.
    pub async fn next(&mut self) -> NetEvent {
        let event = timeout(PATIENCE, self.events.recv()).await;
        event
            .unwrap_or_else(|_| panic!("nothing more happens at {}: {:?}", self.me, self.hub.status()))
            .unwrap()
    }

    /// That it is so next.
    pub async fn up(&mut self, node: &str, incarnation: u64) {
        match self.next().await {
            NetEvent::Up { node: up, incarnation: life } => {
                assert_eq!((up, life), (name(node), incarnation));
            }
            other @ (NetEvent::Down { .. } | NetEvent::Message { .. }) => panic!("{other:?}"),
        }
    }

    /// That it is so next; why.
    pub async fn down(&mut self, node: &str) -> String {
        match self.next().await {
            NetEvent::Down { node: down, why } => {
                assert_eq!(down, name(node));
                why
            }
            other @ (NetEvent::Up { .. } | NetEvent::Message { .. }) => panic!("{other:?}"),
        }
    }

    /// That a message of it comes next; which.
    pub async fn message(&mut self, from: &str) -> Vec<u8> {
        match self.next().await {
            NetEvent::Message { node, bytes, .. } => {
                assert_eq!(node, name(from));
                bytes.to_vec()
            }
            other @ (NetEvent::Up { .. } | NetEvent::Down { .. }) => panic!("{other:?}"),
        }
    }

    /// Nothing has happened.
    pub fn nothing(&mut self) {
        if let Ok(event) = self.events.try_recv() {
            panic!("{event:?}");
        }
    }

    /// The link to a peer, once it is known as one.
    pub fn link(&self, node: &str) -> Option<LinkStatus> {
        let status = self.hub.status();
        status.into_iter().find(|link| link.node == name(node))
    }

    /// Sends a message that finds room.
    pub fn send(&self, to: &str, message: &[u8]) {
        assert!(self.hub.send(&name(to), message), "{:?}", self.link(to));
    }

    /// Until the link is down for a reason with this in it.
    pub async fn down_because(&self, node: &str, word: &str) {
        let why = || self.link(node).and_then(|link| link.why_down).unwrap_or_default();
        until(|| why().contains(word), || format!("{word:?} expected, but: {}", why())).await;
    }
}

/// Waits for a condition.
pub async fn until(mut condition: impl FnMut() -> bool, say: impl Fn() -> String) {
    let limit = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < limit, "{}", say());
        sleep(Duration::from_millis(5)).await;
    }
}

/// Overwrites the pair of a node by one with other times, signed by the site's authority.
pub fn issue_ended(dir: &Path, cluster: &str, node: &str) {
    use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, Issuer, KeyPair};
    let read = |file: &str| std::fs::read_to_string(dir.join(file)).unwrap();
    let issuer =
        Issuer::from_ca_cert_pem(&read("ca.crt"), KeyPair::from_pem(&read("ca.key")).unwrap()).unwrap();
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::OrganizationName, cluster);
    params.distinguished_name.push(DnType::CommonName, node);
    params.extended_key_usages =
        vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    params.not_before = rcgen::date_time_ymd(2020, 1, 1);
    params.not_after = rcgen::date_time_ymd(2020, 2, 1);
    let key = KeyPair::generate().unwrap();
    let cert = params.signed_by(&key, &issuer).unwrap();
    std::fs::write(dir.join(format!("{node}.crt")), cert.pem()).unwrap();
    std::fs::write(dir.join(format!("{node}.key")), key.serialize_pem()).unwrap();
}

/// What was logged in this process.
pub fn logged() -> String {
    String::from_utf8(LOG.lock().unwrap().clone()).unwrap()
}

static LOG: std::sync::Mutex<Vec<u8>> = std::sync::Mutex::new(Vec::new());

/// From now on the log is kept.
pub fn keep_log() {
    struct Kept;
    impl std::io::Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            LOG.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let _first = tracing_subscriber::fmt().with_ansi(false).with_writer(|| Kept).try_init();
}

/// Carries bytes between whoever connects to it and a node, as long as it is not told to stop.
pub struct Relay {
    pub address: SocketAddr,
    flowing: watch::Sender<bool>,
}

impl Relay {
    pub async fn to(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (flowing, flow) = watch::channel(true);
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let flow = flow.clone();
                tokio::spawn(async move {
                    let Ok(far) = TcpStream::connect(target).await else { return };
                    let ((near_in, near_out), (far_in, far_out)) = (near.into_split(), far.into_split());
                    tokio::select! {
                        () = carry(near_in, far_out, flow.clone()) => {}
                        () = carry(far_in, near_out, flow) => {}
                    }
                });
            }
        });
        Self { address, flowing }
    }

    /// Nothing gets through any more, in either direction; the connections stay.
    pub fn stop(&self) {
        self.flowing.send_replace(false);
    }

    /// Everything gets through again, also what has waited.
    pub fn go_on(&self) {
        self.flowing.send_replace(true);
    }
}

async fn carry(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut flow: watch::Receiver<bool>) {
    let mut piece = vec![0; 16 << 10];
    while let Ok(len @ 1..) = from.read(&mut piece).await {
        if flow.wait_for(|flows| *flows).await.is_err() || to.write_all(&piece[..len]).await.is_err() {
            return;
        }
    }
}

/// Speaks TLS with a node's files, and says what it likes.
pub struct Stranger {
    pub stream: tokio_rustls::client::TlsStream<TcpStream>,
}

impl Stranger {
    /// Connects to a node.
    pub async fn connect(identity: &Identity, to: &Node) -> Self {
        let mut roots = rustls::RootCertStore::empty();
        for ca in CertificateDer::pem_file_iter(&identity.ca).unwrap() {
            roots.add(ca.unwrap()).unwrap();
        }
        let chain = CertificateDer::pem_file_iter(&identity.cert).unwrap().map(Result::unwrap).collect();
        let key = PrivateKeyDer::from_pem_file(&identity.key).unwrap();
        let config =
            rustls::ClientConfig::builder_with_provider(rustls::crypto::ring::default_provider().into())
                .with_protocol_versions(&[&rustls::version::TLS13])
                .unwrap()
                .with_root_certificates(roots)
                .with_client_auth_cert(chain, key)
                .unwrap();
        let tcp = TcpStream::connect(to.hub.address()).await.unwrap();
        let node = to.me.as_str().to_owned().try_into().unwrap();
        let stream = tokio_rustls::TlsConnector::from(Arc::new(config)).connect(node, tcp).await.unwrap();
        Self { stream }
    }

    /// Says a hello.
    pub async fn hello(&mut self, format: u32, cluster: &str, node: &str, incarnation: u64) {
        let hello = format!(
            r#"{{"format":{format},"format_min":{format},"cluster":"{cluster}","node":"{node}","incarnation":{incarnation},"more":1}}"#
        );
        self.frame(1, hello.as_bytes()).await;
    }

    /// Sends a frame.
    pub async fn frame(&mut self, kind: u8, payload: &[u8]) {
        let mut frame = u32::try_from(payload.len()).unwrap().to_be_bytes().to_vec();
        frame.push(kind);
        frame.extend(payload);
        self.stream.write_all(&frame).await.unwrap();
        self.stream.flush().await.unwrap();
    }

    /// The next frame: its kind and text.
    pub async fn heard(&mut self) -> (u8, String) {
        let mut head = [0; 5];
        timeout(PATIENCE, self.stream.read_exact(&mut head)).await.unwrap().unwrap();
        let len = u32::from_be_bytes([head[0], head[1], head[2], head[3]]);
        let mut payload = vec![0; usize::try_from(len).unwrap()];
        self.stream.read_exact(&mut payload).await.unwrap();
        (head[4], String::from_utf8(payload).unwrap())
    }

    /// Until the other side has closed the connection.
    pub async fn closed(mut self) {
        let mut piece = [0; 1024];
        let end = async { while let Ok(1..) = self.stream.read(&mut piece).await {} };
        timeout(PATIENCE, end).await.unwrap();
    }
}
