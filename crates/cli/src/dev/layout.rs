//! Which nodes there are, where they listen, and what their configuration says.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use muster_node::Listeners;
use muster_wire::Role;
use tokio::net::TcpListener;

use super::ports;
use crate::args::Dev;
use crate::exit;
use crate::failure::Failure;

/// One node to be.
pub(crate) struct Seat {
    /// `g1`, `dc1-m2`, `dc1-w1`.
    pub(crate) name: String,
    /// What it is.
    pub(crate) role: Role,
    /// Its datacenter.
    pub(crate) datacenter: String,
    /// `host:port`.
    pub(crate) http: String,
    rpc: String,
    swim: String,
    /// Bound already, so that everybody knows the ports before anybody starts.
    pub(crate) listeners: Listeners,
}

/// The whole cluster.
pub(crate) struct Layout {
    /// Gates first.
    pub(crate) seats: Vec<Seat>,
    data_dir: PathBuf,
    cores: u32,
}

/// The datacenter of gates.
const EDGE: &str = "edge";

impl Layout {
    /// Binds every listener.
    pub(crate) async fn bind(args: &Dev, data_dir: &Path) -> Result<Self, Failure> {
        let (mut seats, mut ports) = (Vec::new(), ports::free());
        for (name, role, datacenter) in names(args) {
            let http = if seats.is_empty() { args.http_port } else { 0 };
            let swim = ports.next().ok_or_else(no_port)?;
            seats.push(seat(name, (role, datacenter), (http, swim)).await?);
        }
        Ok(Self { seats, data_dir: data_dir.to_path_buf(), cores: args.cores })
    }

    /// URLs of the gates.
    pub(crate) fn gates(&self) -> Vec<String> {
        let gates = self.seats.iter().filter(|seat| seat.role == Role::Gate);
        gates.map(|seat| format!("http://{}", seat.http)).collect()
    }

    /// The configuration of every node, in the order of the seats.
    pub(crate) fn configurations(&self) -> Vec<String> {
        self.seats.iter().map(|seat| self.configuration(seat)).collect()
    }

    fn configuration(&self, seat: &Seat) -> String {
        let data = toml_text(&self.data_dir.join(&seat.name).display().to_string());
        let mut text = format!("[node]\nname = \"{}\"\ndata_dir = {data}\ncluster = \"dev\"\n", seat.name);
        let _ = writeln!(text, "datacenter = \"{}\"", seat.datacenter);
        let _ = writeln!(
            text,
            "[listen]\nhttp = \"{}\"\nrpc = \"{}\"\nswim = \"{}\"",
            seat.http, seat.rpc, seat.swim
        );
        let _ = writeln!(text, "[limits]\nsubmissions = 0");
        text + &match seat.role {
            Role::Gate => self.members(seat) + &self.datacenters(),
            Role::Manager => self.members(seat),
            Role::Worker => self.join(seat),
        }
    }

    fn members(&self, seat: &Seat) -> String {
        let same =
            self.seats.iter().filter(|peer| (peer.role, &peer.datacenter) == (seat.role, &seat.datacenter));
        let row = |peer: &Seat| {
            format!("{{ name = \"{}\", rpc = \"{}\", swim = \"{}\" }}", peer.name, peer.rpc, peer.swim)
        };
        format!("[cluster]\ninitial_members = [{}]\n", same.map(row).collect::<Vec<_>>().join(", "))
    }

    fn join(&self, seat: &Seat) -> String {
        let managers = self.managers(&seat.datacenter).map(|peer| format!("\"{}\"", peer.swim));
        let managers = managers.collect::<Vec<_>>().join(", ");
        format!("[cluster]\njoin = [{managers}]\n[worker]\ncores = {}\n", self.cores)
    }

    fn datacenters(&self) -> String {
        let mut text = "[gate.datacenters]\n".to_owned();
        let mut names: Vec<&str> = self.seats.iter().map(|seat| seat.datacenter.as_str()).collect();
        names.dedup();
        for name in names.into_iter().filter(|name| *name != EDGE) {
            let rpcs = self.managers(name).map(|peer| format!("\"{}\"", peer.rpc));
            let _ = writeln!(text, "{name} = [{}]", rpcs.collect::<Vec<_>>().join(", "));
        }
        text
    }

    fn managers<'a>(&'a self, datacenter: &'a str) -> impl Iterator<Item = &'a Seat> {
        self.seats.iter().filter(move |seat| seat.role == Role::Manager && seat.datacenter == datacenter)
    }
}

fn names(args: &Dev) -> Vec<(String, Role, String)> {
    let gates = (1..=args.gates).map(|at| (format!("g{at}"), Role::Gate, EDGE.to_owned()));
    gates.chain((1..=args.dcs).flat_map(|dc| names_of_datacenter(args, dc))).collect()
}

fn names_of_datacenter(args: &Dev, dc: u32) -> Vec<(String, Role, String)> {
    let managers = (1..=args.managers).map(|at| (format!("dc{dc}-m{at}"), Role::Manager));
    let workers = (1..=args.workers).map(|at| (format!("dc{dc}-w{at}"), Role::Worker));
    managers.chain(workers).map(|(name, role)| (name, role, format!("dc{dc}"))).collect()
}

async fn seat(
    name: String,
    (role, datacenter): (Role, String),
    (http, swim): (u16, u16),
) -> Result<Seat, Failure> {
    let (http, rpc) = (listen(http).await?, listen(0).await?);
    let swim = format!("127.0.0.1:{swim}");
    let (http_addr, rpc_addr) = (http.local_addr()?.to_string(), rpc.local_addr()?.to_string());
    let listeners = Listeners { http: Some(http), rpc: Some(rpc) };
    Ok(Seat { name, role, datacenter, http: http_addr, rpc: rpc_addr, swim, listeners })
}

fn no_port() -> Failure {
    Failure::new(exit::OTHER, "cannot_listen", "no port of 127.0.0.1 is free")
}

async fn listen(port: u16) -> Result<TcpListener, Failure> {
    TcpListener::bind(("127.0.0.1", port)).await.map_err(|error| {
        let detail = format!("cannot listen on 127.0.0.1:{port}: {error}; choose another with --http-port");
        Failure::new(exit::OTHER, "cannot_listen", detail)
    })
}

/// A TOML string of any text.
fn toml_text(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
