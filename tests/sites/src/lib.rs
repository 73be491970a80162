//! Sites of a cluster as network namespaces behind one bridge, so that a whole datacenter can be cut off: its frames are
//! dropped, nobody is told. Needs root and `ip`; everything is deleted when dropped.

use std::process::{Command, Stdio};

use anyhow::Context as _;

/// Where the system keeps the names of network namespaces.
const NAMESPACES: &str = "/run/netns";

/// `10.n`: of this process. The bridge's own address is where it can be reached from every site.
fn network() -> String {
    format!("10.{}", 100 + std::process::id() % 100)
}

/// Namespaces, one per site, on one bridge.
pub struct Sites {
    tag: String,
    names: Vec<String>,
}

fn ip(args: &[&str]) -> anyhow::Result<()> {
    let output = Command::new("ip").args(args).stdin(Stdio::null()).output().context("run ip")?;
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    anyhow::ensure!(output.status.success(), "ip {}: {said}", args.join(" "));
    Ok(())
}

/// Deletes what a run left behind that was killed: its namespaces and its bridge.
fn sweep() {
    let Ok(entries) = std::fs::read_dir(NAMESPACES) else { return };
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    for (tag, space) in names.filter_map(|name| Some((tag_of_the_dead(&name)?, name))) {
        let _gone = ip(&["netns", "delete", &space]);
        let _gone = ip(&["link", "delete", &format!("{tag}br")]);
    }
}

/// The tag in a namespace's name, if the process that it names has ended.
fn tag_of_the_dead(space: &str) -> Option<String> {
    let (tag, _) = space.split_once('-')?;
    let process = u32::from_str_radix(tag.strip_prefix('m')?, 16).ok()?;
    let runs = std::path::Path::new("/proc").join(process.to_string()).exists();
    (!runs).then(|| tag.to_owned())
}

impl Sites {
    /// One namespace per name; `Err` where this machine does not allow it.
    pub fn create(names: &[String]) -> anyhow::Result<Self> {
        sweep();
        let tag = format!("m{:x}", std::process::id());
        let sites = Self { tag, names: names.to_vec() };
        ip(&["link", "add", &sites.bridge(), "type", "bridge"])?;
        ip(&["addr", "add", &format!("{}/16", Self::outside()), "dev", &sites.bridge()])?;
        ip(&["link", "set", &sites.bridge(), "up"])?;
        (0..names.len()).try_for_each(|at| sites.add(at))?;
        Ok(sites)
    }

    fn bridge(&self) -> String {
        format!("{}br", self.tag)
    }

    fn inner(&self, at: usize) -> String {
        format!("{}i{at}", self.tag)
    }

    fn outer(&self, at: usize) -> String {
        format!("{}o{at}", self.tag)
    }

    /// The namespace of a site.
    pub fn namespace(&self, name: &str) -> String {
        format!("{}-{name}", self.tag)
    }

    fn add(&self, at: usize) -> anyhow::Result<()> {
        let space = self.namespace(&self.names[at]);
        let (inner, outer) = (self.inner(at), self.outer(at));
        ip(&["netns", "add", &space])?;
        ip(&["link", "add", &outer, "type", "veth", "peer", "name", &inner, "netns", &space])?;
        ip(&["link", "set", &outer, "master", &self.bridge()])?;
        ip(&["link", "set", &outer, "up"])?;
        ip(&["-n", &space, "link", "set", "lo", "up"])?;
        ip(&["-n", &space, "link", "set", &inner, "up"])
    }

    /// Gives the `number`th node of a site its address there.
    pub fn address(&self, name: &str, number: usize) -> anyhow::Result<String> {
        let at = self.position(name)?;
        let address = format!("{}.{}.{}", network(), at + 1, number + 1);
        let (space, inner) = (self.namespace(name), self.inner(at));
        ip(&["-n", &space, "addr", "add", &format!("{address}/16"), "dev", &inner])?;
        Ok(address)
    }

    fn position(&self, name: &str) -> anyhow::Result<usize> {
        self.names.iter().position(|known| known == name).with_context(|| format!("no site {name}"))
    }

    /// Where nodes of every site reach this process.
    pub fn outside() -> String {
        format!("{}.0.1", network())
    }

    /// Drops every frame from and to a site.
    pub fn cut(&self, name: &str) -> anyhow::Result<()> {
        ip(&["link", "set", &self.outer(self.position(name)?), "down"])
    }

    /// Lets them through again.
    pub fn heal(&self, name: &str) -> anyhow::Result<()> {
        ip(&["link", "set", &self.outer(self.position(name)?), "up"])
    }
}

impl Drop for Sites {
    fn drop(&mut self) {
        // A namespace takes its links with it, but later: the next run may want the name before.
        for (at, name) in self.names.iter().enumerate() {
            let _gone = ip(&["link", "delete", &self.outer(at)]);
            let _gone = ip(&["netns", "delete", &self.namespace(name)]);
        }
        let _gone = ip(&["link", "delete", &self.bridge()]);
    }
}
