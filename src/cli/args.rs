//! The command line as it is typed (clap): `../shared/contract.md` is its specification. Help, manual and completions come
//! from these declarations. What the words mean (names, files, servers) is read in [`super::request`].

use std::net::IpAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

const AFTER_HELP: &str = "\
Exit status:
  0  the job ran and nothing reached --fail-on
  1  a finding reached --fail-on
  2  the command line is wrong
  3  the job could not be done (no such file, not a message, resolver unreachable)

Without a subcommand the terminal program opens. Press ? in it for the keys.";

/// An X-ray for mail: explore a domain's mail security, verify a suspicious email again, watch SMTP live.
#[derive(Clone, Debug, Parser)]
#[command(name = "mxray", version, about, after_help = AFTER_HELP)]
#[command(subcommand_precedence_over_arg = true, disable_help_subcommand = true)]
pub struct Arguments {
    /// What to do without the terminal program.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// What the terminal program opens on: a domain, an address, a message file, HOST:PORT, or - for a message on
    /// standard input.
    pub target: Option<String>,
    /// What every command takes.
    #[command(flatten)]
    pub options: Options,
}

/// What to do without the terminal program.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Report on everything that domains publish for mail.
    Domain {
        /// Domains, addresses or URLs; - reads one a line from standard input.
        #[arg(value_name = "NAME", required = true)]
        names: Vec<String>,
        /// Ask the zone's own name servers too: what is published, what your resolver still keeps, for how long.
        #[arg(long)]
        authoritative: bool,
        /// Show what has changed since this report on the same domain (JSON, as --format json or S in the terminal program saves it).
        #[arg(long, value_name = "FILE")]
        since: Option<PathBuf>,
    },
    /// Verify a raw message again.
    Message {
        /// The message, headers and all; - reads it from standard input.
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Which message of a mailbox (mbox) file, counted from 1; without it the first is judged and all are listed.
        #[arg(long, value_name = "N")]
        message: Option<std::num::NonZeroUsize>,
        /// The envelope as you know it, where the headers do not tell it (or lie).
        #[command(flatten)]
        envelope: EnvelopeArguments,
    },
    /// Speak with mail servers and show the dialogue.
    Smtp {
        /// A domain (its MX) or HOST:PORT; smtp://, smtps:// and lmtp:// say how; - reads a written dialogue from standard input.
        target: String,
        /// How to speak.
        #[command(flatten)]
        plan: PlanArguments,
    },
    /// Listen as a mail server and show what senders say: one JSON line an event, or --format text. Nothing is delivered or
    /// relayed.
    Listen {
        /// Where to listen; port 0 takes any that is free (the default: 127.0.0.1:2525, which only this machine reaches)
        #[arg(value_name = "ADDR:PORT")]
        address: Option<String>,
        /// How to answer: accept, greylist, reject, refuse-message, tempfail, full, busy, slow, no-starttls, auth-required,
        /// implicit-tls, lmtp, no-KEYWORD, size=BYTES, slow=SECONDS, hang-up=MOMENT or "MOMENT=CODE TEXT" (the text may be left
        /// out), where MOMENT is connect, ehlo, starttls, auth, mail, rcpt, data or message; repeatable
        #[arg(long, value_name = "WORD")]
        reply: Vec<String>,
        /// Write each message to a file of its own in this folder, readable by you alone
        #[arg(long, value_name = "DIR")]
        save: Option<PathBuf>,
        /// End after so many messages
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
        messages: Option<u64>,
    },
    /// Ask check_host() of RFC 7208: may this address send for this domain?
    Spf {
        /// The domain whose SPF record is asked.
        domain: String,
        /// The client's address.
        #[arg(long, value_name = "IP")]
        ip: IpAddr,
        /// MAIL FROM; without it, postmaster at the domain asked.
        #[arg(long, value_name = "ADDRESS")]
        mail_from: Option<String>,
        /// The name given in HELO or EHLO.
        #[arg(long, value_name = "NAME")]
        helo: Option<String>,
    },
    /// Find and read the DMARC policy that covers a domain.
    Dmarc {
        /// The domain of the From address.
        domain: String,
    },
    /// Judge a pasted record or policy file alone: what is it, is it right? Nothing is looked up.
    Lint {
        /// The text (quoted for the shell), as a form, dig or a zone file has it; - reads it from standard input.
        text: String,
    },
    /// Print the JSON Schema of the reports.
    Schema,
    /// Print the manual page (roff).
    Man,
    /// Print shell completions.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
}

/// The envelope of a message as the person knows it.
#[derive(Args, Clone, Debug, Default)]
pub struct EnvelopeArguments {
    /// The address that delivered the message to your border.
    #[arg(long, value_name = "IP")]
    pub client_ip: Option<IpAddr>,
    /// The name that it gave in HELO or EHLO.
    #[arg(long, value_name = "NAME")]
    pub helo: Option<String>,
    /// The envelope sender; an empty text is the null sender of bounces.
    #[arg(long, value_name = "ADDRESS")]
    pub mail_from: Option<String>,
    /// Your border: the Received field, counted from 1 at the top, that your first server wrote.
    #[arg(long, value_name = "N")]
    pub hop: Option<std::num::NonZeroUsize>,
}

/// How to speak with a mail server; without any of it, politely and without a mail.
#[derive(Args, Clone, Debug, Default)]
pub struct PlanArguments {
    /// Try this envelope sender; an empty text is the null sender.
    #[arg(long, value_name = "ADDRESS")]
    pub mail_from: Option<String>,
    /// Try this recipient; no message is sent; repeatable.
    #[arg(long, value_name = "ADDRESS", requires = "mail_from")]
    pub rcpt_to: Vec<String>,
    /// The name to give in EHLO (the default: this machine's)
    #[arg(long, value_name = "NAME")]
    pub helo: Option<String>,
    /// When to start TLS.
    #[arg(long, value_enum, value_name = "WHEN", default_value_t)]
    pub tls: Tls,
    /// Say QUIT after this stage.
    #[arg(long, value_enum, value_name = "STAGE")]
    pub stop_after: Option<StopAfter>,
    /// Speak LMTP (RFC 2033) instead of SMTP; port 24 does by itself.
    #[arg(long)]
    pub lmtp: bool,
    /// Speak to IPv4 addresses only.
    #[arg(short = '4', conflicts_with = "ipv6")]
    pub ipv4: bool,
    /// Speak to IPv6 addresses only.
    #[arg(short = '6')]
    pub ipv6: bool,
}

/// Where a dialogue stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum StopAfter {
    /// After the greeting of the server.
    Banner,
    /// After EHLO.
    Ehlo,
    /// After STARTTLS and the EHLO inside TLS.
    Starttls,
    /// After MAIL FROM.
    Mail,
    /// After RCPT TO.
    Rcpt,
}

/// When TLS starts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Tls {
    /// Where STARTTLS is offered.
    #[default]
    Auto,
    /// Never.
    Never,
    /// STARTTLS or nothing.
    Require,
    /// With the first byte.
    Implicit,
}

/// What every command takes.
#[derive(Args, Clone, Debug, Default)]
pub struct Options {
    /// How the report is written (the default: text; of listen: json)
    #[arg(long, value_enum, value_name = "FORMAT", global = true)]
    pub format: Option<Format>,
    /// A name server: IP, IP:PORT, tls://IP:PORT#NAME or https://HOST/path; repeatable (the default: the system's)
    #[arg(long, value_name = "SERVER", global = true)]
    pub dns: Vec<String>,
    /// Seconds for one question, all its tries included (the default: 5)
    #[arg(long, value_name = "SECONDS", global = true)]
    pub timeout: Option<f64>,
    /// Send HTTPS and SMTP connections for one HOST:PORT to another: HOST:PORT:HOST2:PORT2, empty parts match any;
    /// repeatable
    #[arg(long, value_name = "RULE", global = true)]
    pub connect_to: Vec<String>,
    /// Certificates (PEM) to trust besides the system's
    #[arg(long, value_name = "PEM", global = true)]
    pub ca_file: Vec<PathBuf>,
    /// DNSKEY records to begin DNSSEC with instead of the root's own keys; repeatable
    #[arg(long, value_name = "FILE", global = true)]
    pub trust_anchor: Vec<PathBuf>,
    /// The clock that verdicts use, as RFC 3339: 2026-11-24T08:00:00Z (the default: the machine's)
    #[arg(long, value_name = "TIME", global = true)]
    pub now: Option<String>,
    /// A DKIM selector to ask besides the well-known ones; repeatable
    #[arg(long, value_name = "SELECTOR", global = true)]
    pub selector: Vec<String>,
    /// Run these checks only, by the ids of their sections
    #[arg(long, value_name = "ID,...", global = true, value_delimiter = ',')]
    pub only: Vec<String>,
    /// From which severity on a finding makes the exit status 1
    #[arg(long, value_enum, value_name = "SEVERITY", global = true, default_value_t)]
    pub fail_on: FailOn,
    /// When to colour text
    #[arg(long, value_enum, value_name = "WHEN", global = true, default_value_t)]
    pub color: Color,
    /// Work on the built-in loopback mail internet: no network needed
    #[arg(long, global = true)]
    pub demo: bool,
    /// Replay a case file: nothing is asked of the network
    #[arg(long, value_name = "FILE", global = true, conflicts_with_all = ["demo", "save_case"])]
    pub case: Option<PathBuf>,
    /// Save every question and answer of this run as a case file
    #[arg(long, value_name = "FILE", global = true)]
    pub save_case: Option<PathBuf>,
    /// Write a log to mxray.log in the state directory, or to $MXRAY_LOG; twice: more
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
}

/// How a report is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For a person in a terminal.
    #[default]
    Text,
    /// For scripts; several reports are one line each.
    Json,
    /// For a ticket or a page.
    Markdown,
}

/// From which severity on a finding fails the run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum FailOn {
    /// Notes, warnings and errors.
    Info,
    /// Warnings and errors.
    Warning,
    /// Errors.
    #[default]
    Error,
    /// Nothing.
    Never,
}

/// When text is coloured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal, unless NO_COLOR is set.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_declarations_hold_together() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn options_stand_before_or_after_the_command() {
        for line in [
            vec!["mxray", "--format", "json", "--dns", "192.0.2.1", "domain", "monsec.io"],
            vec!["mxray", "domain", "monsec.io", "--dns", "192.0.2.1", "--format", "json"],
        ] {
            let arguments = Arguments::try_parse_from(line).unwrap();
            assert_eq!(arguments.options.format, Some(Format::Json));
            assert_eq!(arguments.options.dns, ["192.0.2.1"]);
        }
    }

    #[test]
    fn a_bare_word_is_a_target_unless_it_is_a_command() {
        let target = Arguments::try_parse_from(["mxray", "monsec.io"]).unwrap();
        assert_eq!(target.target.as_deref(), Some("monsec.io"));
        let command = Arguments::try_parse_from(["mxray", "dmarc", "monsec.io"]).unwrap();
        assert!(matches!(command.command, Some(Command::Dmarc { .. })) && command.target.is_none());
    }

    #[test]
    fn check_ids_are_split_at_commas() {
        let arguments = Arguments::try_parse_from(["mxray", "domain", "a.test", "--only", "spf,dmarc"]).unwrap();
        assert_eq!(arguments.options.only, ["spf", "dmarc"]);
    }
}
