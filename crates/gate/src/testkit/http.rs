//! A small HTTP client.

use std::net::SocketAddr;

use serde::de::DeserializeOwned;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::SOON;

pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    pub(crate) fn json<T: DeserializeOwned>(&self) -> T {
        serde_json::from_str(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {} {}", self.status, self.body))
    }

    pub(crate) fn code(&self) -> String {
        self.json::<muster_wire::api::Problem>().code
    }
}

/// One request, by HTTP/1.0 so that streams come without chunks; waits for the end of the answer.
pub(crate) async fn ask(addr: SocketAddr, what: &str, headers: &str, body: &str) -> Reply {
    let mut stream = TcpStream::connect(addr).await.unwrap();
    exchange(&mut stream, what, headers, body).await
}

/// The same over a connection that is there.
pub(crate) async fn exchange(stream: &mut TcpStream, what: &str, headers: &str, body: &str) -> Reply {
    let exchange = async {
        let length = body.len();
        let head = format!("{what} HTTP/1.0\r\nhost: test\r\ncontent-length: {length}\r\n{headers}\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        let _ = stream.write_all(body.as_bytes()).await;
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        String::from_utf8(answer).unwrap()
    };
    let text = tokio::time::timeout(SOON, exchange).await.unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    Reply { status, head: head.to_owned(), body: body.to_owned() }
}

pub(crate) async fn get(addr: SocketAddr, path: &str) -> Reply {
    ask(addr, &format!("GET {path}"), "", "").await
}
