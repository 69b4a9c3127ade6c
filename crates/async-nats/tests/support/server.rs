//! A NATS server in this process: enough of the protocol for subjects, headers and replies. It lets
//! through more than a real one would.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicU64, Ordering},
};

use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::{mpsc, watch},
};

use super::PATIENCE;

/// A message that a client published.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Published {
    pub(crate) subject: String,
    pub(crate) reply: Option<String>,
    /// From the version line to the empty line.
    pub(crate) headers: Vec<u8>,
    pub(crate) payload: Vec<u8>,
}

impl Published {
    /// Returns the lines of the headers, sorted: the client keeps no order.
    pub(crate) fn lines(&self) -> Vec<&str> {
        let text = str::from_utf8(&self.headers).expect("it is text");
        let mut lines: Vec<_> =
            text.split("\r\n").skip(1).filter(|line| !line.is_empty()).collect();
        lines.sort_unstable();
        lines
    }
}

/// A server. It ends when it is dropped.
pub(crate) struct Server {
    state: Arc<State>,
    pub(crate) port: u16,
}

/// What a server announces to its clients.
pub(crate) struct Info {
    pub(crate) host: &'static str,
    /// Its own port, unless another is given.
    pub(crate) port: Option<u16>,
    pub(crate) max_payload: usize,
}

impl Info {
    pub(crate) const DEFAULT: Self = Self { host: "127.0.0.1", port: None, max_payload: 1 << 20 };
}

struct State {
    info: Info,
    subscriptions: Mutex<Vec<Subscription>>,
    published: Mutex<Vec<Published>>,
    clients: AtomicU64,
    gone: AtomicU64,
    /// Counts how often all clients were cut off.
    cuts: watch::Sender<u64>,
}

struct Subscription {
    client: u64,
    id: String,
    subject: String,
    out: mpsc::UnboundedSender<Vec<u8>>,
}

impl Server {
    pub(crate) async fn start() -> Self {
        Self::telling(Info::DEFAULT).await
    }

    pub(crate) async fn telling(info: Info) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("there is a port");
        let port = listener.local_addr().expect("it is bound").port();
        let state = Arc::new(State {
            info,
            subscriptions: Mutex::default(),
            published: Mutex::default(),
            clients: AtomicU64::new(0),
            gone: AtomicU64::new(0),
            cuts: watch::Sender::new(0),
        });
        let accepting = Arc::clone(&state);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(Arc::clone(&accepting).serve(stream, port));
            }
        });
        Self { state, port }
    }

    /// Cuts all clients off. They may connect again.
    pub(crate) fn cut(&self) {
        self.state.cuts.send_modify(|cuts| *cuts += 1);
    }

    /// Waits until the server has a subscription.
    pub(crate) async fn is_subscribed(&self) {
        let is_empty = || self.state.subscriptions.lock().unwrap().is_empty();
        until(|| (!is_empty()).then_some(())).await;
    }

    /// Waits until a client is gone.
    pub(crate) async fn is_left(&self) {
        until(|| (self.state.gone.load(Ordering::Relaxed) > 0).then_some(())).await;
    }

    /// Sends a message to all subscriptions of its subject, once there is one.
    pub(crate) async fn deliver(&self, subject: &str, reply: &str, headers: &[u8], payload: &[u8]) {
        self.deliver_to(subject, subject, reply, headers, payload).await;
    }

    /// Sends a message of any subject to all subscriptions of `to`, as JetStream does.
    pub(crate) async fn deliver_to(
        &self,
        to: &str,
        subject: &str,
        reply: &str,
        headers: &[u8],
        payload: &[u8],
    ) {
        until(|| self.state.deliver(to, subject, reply, headers, payload).then_some(())).await;
    }

    pub(crate) fn published_so_far(&self) -> Vec<Published> {
        self.state.published.lock().unwrap().clone()
    }

    /// Returns what was published, once there are `count` messages.
    pub(crate) async fn published(&self, count: usize) -> Vec<Published> {
        let published = until(|| {
            let published = self.state.published.lock().unwrap();
            (published.len() >= count).then(|| published.clone())
        })
        .await;
        assert_eq!(published.len(), count);
        published
    }
}

/// Waits until `look` finds something.
pub(crate) async fn until<T>(mut look: impl FnMut() -> Option<T>) -> T {
    let found = async {
        loop {
            match look() {
                Some(found) => return found,
                None => tokio::task::yield_now().await,
            }
        }
    };
    tokio::time::timeout(PATIENCE, found).await.expect("it does not take so long")
}

impl State {
    async fn serve(self: Arc<Self>, stream: TcpStream, port: u16) {
        let id = self.clients.fetch_add(1, Ordering::Relaxed) + 1;
        let (reader, mut writer) = stream.into_split();
        let Info { host, port: other, max_payload: max } = self.info;
        let port = other.unwrap_or(port);
        let info = format!(
            "INFO {{\"server_id\":\"S\",\"version\":\"2.15.0\",\"host\":\"{host}\",\"port\":{port},\
             \"headers\":true,\"max_payload\":{max},\"client_id\":{id}}}\r\n"
        );
        if writer.write_all(info.as_bytes()).await.is_err() {
            return;
        }
        let (out, outgoing) = mpsc::unbounded_channel();
        let writing = tokio::spawn(write(writer, outgoing));
        let mut cuts = self.cuts.subscribe();
        tokio::select! {
            _ = self.read(id, reader, out) => {}
            _ = cuts.changed() => {}
        }
        self.subscriptions.lock().unwrap().retain(|subscription| subscription.client != id);
        writing.abort();
        self.gone.fetch_add(1, Ordering::Relaxed);
    }

    /// Serves a client until it is gone.
    async fn read(
        &self,
        client: u64,
        reader: OwnedReadHalf,
        out: mpsc::UnboundedSender<Vec<u8>>,
    ) -> Option<()> {
        let mut reader = BufReader::new(reader);
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).await.ok()? == 0 {
                return None;
            }
            let words: Vec<&str> = line.split_whitespace().collect();
            match words[..] {
                ["PING"] => out.send(b"PONG\r\n".to_vec()).ok()?,
                ["SUB", subject, .., id] => {
                    let (id, subject) = (id.to_owned(), subject.to_owned());
                    let subscription = Subscription { client, id, subject, out: out.clone() };
                    self.subscriptions.lock().unwrap().push(subscription);
                }
                ["UNSUB", id] => {
                    let ours = |one: &Subscription| one.client == client && one.id == id;
                    self.subscriptions.lock().unwrap().retain(|one| !ours(one));
                }
                ["PUB", subject, ref reply @ .., size] => {
                    let body = body(&mut reader, size.parse().ok()?).await?;
                    self.publish(subject, reply.first().copied(), &[], body);
                }
                ["HPUB", subject, ref reply @ .., headers, size] => {
                    let mut all = body(&mut reader, size.parse().ok()?).await?;
                    let payload = all.split_off(headers.parse().ok()?);
                    self.publish(subject, reply.first().copied(), &all, payload);
                }
                _ => {}
            }
        }
    }

    fn publish(&self, subject: &str, reply: Option<&str>, headers: &[u8], payload: Vec<u8>) {
        let heard = self.deliver(subject, subject, reply.unwrap_or_default(), headers, &payload);
        self.published.lock().unwrap().push(Published {
            subject: subject.to_owned(),
            reply: reply.map(str::to_owned),
            headers: headers.to_vec(),
            payload,
        });
        if let (false, Some(reply)) = (heard, reply) {
            self.deliver(reply, reply, "", b"NATS/1.0 503\r\n\r\n", b"");
        }
    }

    fn deliver(
        &self,
        to: &str,
        subject: &str,
        reply: &str,
        headers: &[u8],
        payload: &[u8],
    ) -> bool {
        let mut heard = false;
        let (all, own) = (headers.len() + payload.len(), headers.len());
        for one in self.subscriptions.lock().unwrap().iter() {
            if !matches(&one.subject, to) {
                continue;
            }
            let mut message = if headers.is_empty() {
                format!("MSG {subject} {} {reply} {all}\r\n", one.id)
            } else {
                format!("HMSG {subject} {} {reply} {own} {all}\r\n", one.id)
            }
            .into_bytes();
            message.extend_from_slice(headers);
            message.extend_from_slice(payload);
            message.extend_from_slice(b"\r\n");
            heard |= one.out.send(message).is_ok();
        }
        heard
    }
}

async fn write(mut writer: OwnedWriteHalf, mut outgoing: mpsc::UnboundedReceiver<Vec<u8>>) {
    while let Some(bytes) = outgoing.recv().await {
        if writer.write_all(&bytes).await.is_err() {
            return;
        }
    }
}

/// Reads `size` bytes and the end of the line.
async fn body(reader: &mut BufReader<OwnedReadHalf>, size: usize) -> Option<Vec<u8>> {
    let mut body = vec![0; size + 2];
    reader.read_exact(&mut body).await.ok()?;
    body.truncate(size);
    Some(body)
}

/// The subject of a subscription that gets the messages of all subjects without a wildcard, as a
/// consumer of JetStream does.
pub(crate) const EVERYTHING: &str = "everything";

fn matches(pattern: &str, subject: &str) -> bool {
    if pattern == EVERYTHING {
        return true;
    }
    let mut subject = subject.split('.');
    for token in pattern.split('.') {
        match (token, subject.next()) {
            (">", Some(_)) => return true,
            ("*", Some(_)) => {}
            (token, Some(other)) if token == other => {}
            _ => return false,
        }
    }
    subject.next().is_none()
}
