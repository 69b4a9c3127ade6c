//! A NATS server of one file: enough of the protocol for subjects, headers and replies, and more
//! than a real one would let through.

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

/// What a client published.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Published {
    pub(crate) subject: String,
    pub(crate) reply: Option<String>,
    /// From the version line to the empty line.
    pub(crate) headers: Vec<u8>,
    pub(crate) payload: Vec<u8>,
}

impl Published {
    /// The lines of the headers, in the order of the alphabet: the client keeps no other.
    pub(crate) fn lines(&self) -> Vec<&str> {
        let text = str::from_utf8(&self.headers).expect("it is text");
        let mut lines: Vec<_> =
            text.split("\r\n").skip(1).filter(|line| !line.is_empty()).collect();
        lines.sort_unstable();
        lines
    }
}

/// A server that is gone when it is dropped.
pub(crate) struct Server {
    state: Arc<State>,
    pub(crate) port: u16,
}

struct State {
    /// The host that it tells its clients.
    host: String,
    max_payload: usize,
    subscriptions: Mutex<Vec<Subscription>>,
    published: Mutex<Vec<Published>>,
    clients: AtomicU64,
    /// How many of them are gone.
    gone: AtomicU64,
    /// How often all clients were cut off.
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
        Self::telling("127.0.0.1", 1 << 20).await
    }

    pub(crate) async fn telling(host: &str, max_payload: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("there is a port");
        let port = listener.local_addr().expect("it is bound").port();
        let state = Arc::new(State {
            host: host.to_owned(),
            max_payload,
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

    /// Cuts all clients off; they may come again.
    pub(crate) fn cut(&self) {
        self.state.cuts.send_modify(|cuts| *cuts += 1);
    }

    /// Waits until a client is gone.
    pub(crate) async fn is_left(&self) {
        until(|| (self.state.gone.load(Ordering::Relaxed) > 0).then_some(())).await;
    }

    /// Sends this to all who have subscribed to the subject, whatever it is, once there is somebody.
    pub(crate) async fn deliver(&self, subject: &str, reply: &str, headers: &[u8], payload: &[u8]) {
        until(|| self.state.deliver(subject, reply, headers, payload).then_some(())).await;
    }

    /// What was published, once that is so many messages.
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

/// Waits for what `look` finds.
async fn until<T>(mut look: impl FnMut() -> Option<T>) -> T {
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
        let (host, max) = (&self.host, self.max_payload);
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

    /// Until the client is gone.
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
        let heard = self.deliver(subject, reply.unwrap_or_default(), headers, &payload);
        self.published.lock().unwrap().push(Published {
            subject: subject.to_owned(),
            reply: reply.map(str::to_owned),
            headers: headers.to_vec(),
            payload,
        });
        if let (false, Some(reply)) = (heard, reply) {
            self.deliver(reply, "", b"NATS/1.0 503\r\n\r\n", b"");
        }
    }

    fn deliver(&self, subject: &str, reply: &str, headers: &[u8], payload: &[u8]) -> bool {
        let mut heard = false;
        let (all, own) = (headers.len() + payload.len(), headers.len());
        for one in self.subscriptions.lock().unwrap().iter() {
            if !matches(&one.subject, subject) {
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

/// So many bytes, and the end of the line.
async fn body(reader: &mut BufReader<OwnedReadHalf>, size: usize) -> Option<Vec<u8>> {
    let mut body = vec![0; size + 2];
    reader.read_exact(&mut body).await.ok()?;
    body.truncate(size);
    Some(body)
}

fn matches(pattern: &str, subject: &str) -> bool {
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
