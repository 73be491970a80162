//! The flags of the node programs: one for each key, and a few of their own.

use std::path::PathBuf;

use clap::{Arg, ArgAction, ArgMatches, Command};

use super::Sources;
use super::keys::KEYS;

/// What the command line said.
#[derive(Clone, Debug, Default)]
pub struct Flags {
    /// Validate and exit.
    pub check: bool,
    /// Where the configuration comes from.
    pub sources: Sources,
}

/// The command line of a node program.
pub fn command(program: &'static str, about: &'static str) -> Command {
    let own = [
        Arg::new("config")
            .long("config")
            .value_name("FILE")
            .value_parser(clap::value_parser!(PathBuf))
            .help("The configuration (TOML)"),
        Arg::new("check")
            .long("check")
            .action(ArgAction::SetTrue)
            .help("Report every fault of the configuration and exit"),
        Arg::new("insecure")
            .long("insecure")
            .action(ArgAction::SetTrue)
            .help("Listen on other addresses than loopback without encryption"),
        Arg::new("set")
            .long("set")
            .value_name("SECTION.KEY=VALUE")
            .action(ArgAction::Append)
            .help("Override one key; may be repeated"),
    ];
    let keys = KEYS.iter().map(|key| {
        let help = format!("{} (env {})", key.help, key.variable());
        Arg::new(key.path).long(key.path).value_name("VALUE").help(help).help_heading("Configuration keys")
    });
    Command::new(program).about(about).version(env!("CARGO_PKG_VERSION")).args(own).args(keys)
}

impl Flags {
    /// Reads what [`command`] parsed, with the environment's variables.
    pub fn read(matches: &ArgMatches, environment: Vec<(String, String)>) -> Result<Self, String> {
        let sets = matches.get_many::<String>("set").into_iter().flatten();
        let mut settings = sets.map(|text| split_setting(text)).collect::<Result<Vec<_>, _>>()?;
        let keys = KEYS
            .iter()
            .filter_map(|key| Some((key.path.to_owned(), matches.get_one::<String>(key.path)?.clone())));
        settings.extend(keys);
        if matches.get_flag("insecure") {
            settings.push(("security.insecure".into(), "true".into()));
        }
        let file = matches.get_one::<PathBuf>("config").cloned();
        Ok(Self {
            check: matches.get_flag("check"),
            sources: Sources { file, text: None, environment, settings },
        })
    }
}

fn split_setting(text: &str) -> Result<(String, String), String> {
    let split = text.split_once('=').map(|(path, value)| (path.trim().to_owned(), value.trim().to_owned()));
    split.ok_or_else(|| format!("--set {text}: `section.key=value` is expected"))
}
