//! The commands. To add one: a line here, a [`Verb`], and its request and rendering in `run.rs`.

use ravelin_ctl::pki::PkiObject;

/// What a command does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Verb {
    ClearIke,
    ClearIkeFailures,
    ClearIpsec,
    ClearPki(PkiObject),
    /// `request security pki generate-key-pair`
    GenerateKey,
    /// Of the pair of an index, or of a peer.
    StartFlight {
        peer: bool,
    },
    StopFlight,
    /// With the keys of its IKE SAs.
    StartTrace {
        keys: bool,
    },
    SaveTraceKeys,
    StopTrace,
    Exit,
    LoadCa,
    /// `request security pki local-certificate load`
    LoadCertificate,
    LoadFile,
    /// `request security ike pre-shared-keys load`
    LoadKeys,
    /// `request security pki crl load`
    LoadList,
    LoadTerminal,
    MergeFile,
    MergeTerminal,
    MonitorTraffic,
    PowerOff,
    Reboot,
    RedirectIke,
    RekeyIke,
    RekeyIpsec,
    RequestCertificate,
    ShowAlarms,
    ShowBuffers,
    /// `show security pki ca-certificate`
    ShowCas {
        detail: bool,
    },
    /// `show security pki local-certificate`
    ShowCertificates {
        detail: bool,
    },
    ShowConfiguration,
    ShowCpu,
    ShowAcceleration,
    ShowDrops,
    ShowFlight,
    ShowHardware,
    ShowHighAvailability,
    ShowIkeFailures,
    ShowIkeGateways,
    ShowIkeSas {
        detail: bool,
    },
    ShowIkeStatistics,
    ShowIkeTrace,
    ShowInterfaces {
        terse: bool,
    },
    ShowIpsecSas {
        detail: bool,
    },
    ShowIpsecStatistics,
    /// `show log`.
    ShowLog,
    /// `show security ike pre-shared-keys`
    ShowKeys,
    /// `show security pki crl`
    ShowLists,
    ShowProcesses,
    /// `show system day-0`
    ShowDay0,
    ShowRoute,
    ShowRouteSummary,
    ShowUptime,
    ShowVersion,
    StartShell {
        root: bool,
    },
    Zeroize,
}

/// What may follow a command, in any order, each with a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choose {
    /// Ends after so many packets.
    Count,
    /// Only these packets.
    Matching,
    /// An IP address in a certificate.
    Address,
    /// A host name in a certificate.
    DomainName,
    /// A mail address in a certificate.
    Email,
    /// From this file, or into it.
    File,
    /// The private key is in this one.
    KeyFile,
    /// Octets kept of each packet; bits of a key.
    Size,
    /// Who a certificate is for.
    Subject,
    /// Kind of a key.
    Type,
    /// Into this file, as pcapng.
    WriteFile,
}

/// What a filter does with the lines before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Filter {
    /// Counts them.
    Count,
    /// JSON in place of text.
    DisplayJson,
    /// Secrets in place of `<hidden>`.
    DisplaySecrets,
    /// `set` lines in place of braces.
    DisplaySet,
    /// Drops those that match.
    Except,
    /// Keeps those that match.
    Match,
    /// Does not stop after each screen.
    NoMore,
}

/// A phrase with its meaning.
#[derive(Debug)]
pub struct Entry<T> {
    /// Words; one in angle brackets stands for a value.
    pub words: &'static str,
    /// One line for `?`.
    pub help: &'static str,
    /// The meaning; `None` names a group of longer phrases, only for its help.
    pub value: Option<T>,
}

const fn entry<T>(words: &'static str, help: &'static str, value: T) -> Entry<T> {
    Entry {
        words,
        help,
        value: Some(value),
    }
}

const fn group<T>(words: &'static str, help: &'static str) -> Entry<T> {
    Entry {
        words,
        help,
        value: None,
    }
}

/// All commands, in the order of `?`.
#[rustfmt::skip]
pub const COMMANDS: &[Entry<Verb>] = &[
    group("clear", "Clear information in the system"),
    group("clear security", "Clear security information"),
    group("clear security ike", "Clear IKE information"),
    entry("clear security ike failures", "Forget all negotiations that failed", Verb::ClearIkeFailures),
    entry("clear security ike failures <peer>", "IP address of one peer", Verb::ClearIkeFailures),
    group("clear security ike pre-shared-keys", "Delete a list of pre-shared keys"),
    entry("clear security ike pre-shared-keys <name>", "Its name", Verb::ClearPki(PkiObject::Keys)),
    entry("clear security ike security-associations", "Delete all IKE security associations", Verb::ClearIke),
    entry("clear security ike security-associations <peer>", "IP address of one peer", Verb::ClearIke),
    group("clear security ipsec", "Clear IPsec information"),
    entry("clear security ipsec security-associations", "Delete all IPsec security associations", Verb::ClearIpsec),
    entry("clear security ipsec security-associations <peer>", "IP address of one peer", Verb::ClearIpsec),
    group("clear security pki", "Delete certificates"),
    group("clear security pki ca-certificate", "Trust CAs no longer"),
    group("clear security pki ca-certificate ca-profile", "Those of a profile"),
    entry("clear security pki ca-certificate ca-profile <name>", "Name of the CA profile", Verb::ClearPki(PkiObject::CaCertificate)),
    group("clear security pki crl", "Delete revocation lists, which are fetched anew"),
    group("clear security pki crl ca-profile", "Those of a profile"),
    entry("clear security pki crl ca-profile <name>", "Name of the CA profile", Verb::ClearPki(PkiObject::List)),
    group("clear security pki key-pair", "Delete a private key with its certificate"),
    group("clear security pki key-pair certificate-id", "By its name"),
    entry("clear security pki key-pair certificate-id <name>", "Its name", Verb::ClearPki(PkiObject::KeyPair)),
    group("clear security pki local-certificate", "Delete a certificate and keep its key"),
    group("clear security pki local-certificate certificate-id", "By its name"),
    entry("clear security pki local-certificate certificate-id <name>", "Its name", Verb::ClearPki(PkiObject::LocalCertificate)),
    entry("exit", "Leave the command line", Verb::Exit),
    entry("quit", "Leave the command line", Verb::Exit),
    group("monitor", "Show what happens as it happens"),
    group("monitor traffic", "Show packets"),
    group("monitor traffic interface", "Show packets of interfaces"),
    entry("monitor traffic interface <interface>", "Port, unit or st0.N; several with commas; all", Verb::MonitorTraffic),
    group("request", "Make system-level requests"),
    group("request security", "Make security requests"),
    group("request security ike", "Make IKE requests"),
    group("request security ike pre-shared-keys", "Act on lists of pre-shared keys"),
    group("request security ike pre-shared-keys load", "Take identities with their keys from a file"),
    entry("request security ike pre-shared-keys load <name>", "Name of the list, of which they are all", Verb::LoadKeys),
    group("request security ike redirect", "Send peers to the other gateway of `redirect` now"),
    entry("request security ike redirect all", "All that know redirects", Verb::RedirectIke),
    group("request security ike redirect peer", "One of them"),
    entry("request security ike redirect peer <peer>", "IP address of the peer", Verb::RedirectIke),
    group("request security ike rekey", "Rekey IKE security associations now"),
    entry("request security ike rekey all", "All of them", Verb::RekeyIke),
    group("request security ike rekey index", "One of them"),
    entry("request security ike rekey index <index>", "Its index", Verb::RekeyIke),
    group("request security ike trace", "Put the messages of a peer in words"),
    group("request security ike trace start", "Begin to trace a peer"),
    group("request security ike trace start peer", "The peer"),
    entry("request security ike trace start peer <peer>", "IP address of the peer", Verb::StartTrace { keys: false }),
    group("request security ike trace start with-keys", "Gather the keys of its IKE SAs too"),
    group("request security ike trace start with-keys peer", "The peer"),
    entry("request security ike trace start with-keys peer <peer>", "IP address of the peer", Verb::StartTrace { keys: true }),
    group("request security ike trace save-keys", "Write the keys while the trace runs"),
    entry("request security ike trace save-keys <file>", "A new file, as Wireshark reads them", Verb::SaveTraceKeys),
    entry("request security ike trace stop", "Keep what is traced", Verb::StopTrace),
    group("request security ipsec", "Make IPsec requests"),
    group("request security ipsec flight-recorder", "Record the packets of a tunnel"),
    group("request security ipsec flight-recorder start", "Begin to record a tunnel"),
    group("request security ipsec flight-recorder start index", "By its security association"),
    entry("request security ipsec flight-recorder start index <index>", "Its index", Verb::StartFlight { peer: false }),
    group("request security ipsec flight-recorder start peer", "By its peer"),
    entry("request security ipsec flight-recorder start peer <peer>", "IP address of the peer", Verb::StartFlight { peer: true }),
    entry("request security ipsec flight-recorder stop", "Keep what is recorded", Verb::StopFlight),
    group("request security ipsec rekey", "Rekey IPsec security associations now"),
    entry("request security ipsec rekey all", "All of them", Verb::RekeyIpsec),
    group("request security ipsec rekey index", "One of them"),
    entry("request security ipsec rekey index <index>", "Its index", Verb::RekeyIpsec),
    group("request security pki", "Make requests about certificates"),
    group("request security pki ca-certificate", "Act on the certificates of CAs"),
    group("request security pki ca-certificate load", "Trust the CAs of a file"),
    group("request security pki ca-certificate load ca-profile", "For a profile"),
    entry("request security pki ca-certificate load ca-profile <name>", "Name of the CA profile", Verb::LoadCa),
    group("request security pki crl", "Act on revocation lists"),
    group("request security pki crl load", "Take a list from a file"),
    group("request security pki crl load ca-profile", "Of a CA of a profile"),
    entry("request security pki crl load ca-profile <name>", "Name of the CA profile", Verb::LoadList),
    group("request security pki generate-certificate-request", "Make a request to be sent to a CA"),
    group("request security pki generate-certificate-request certificate-id", "For a key pair"),
    entry("request security pki generate-certificate-request certificate-id <name>", "Its name", Verb::RequestCertificate),
    group("request security pki generate-key-pair", "Make a private key"),
    group("request security pki generate-key-pair certificate-id", "By the name of its certificate"),
    entry("request security pki generate-key-pair certificate-id <name>", "Its name", Verb::GenerateKey),
    group("request security pki local-certificate", "Act on our certificates"),
    group("request security pki local-certificate load", "Take a certificate from a file"),
    group("request security pki local-certificate load certificate-id", "For a key pair, or with its key"),
    entry("request security pki local-certificate load certificate-id <name>", "Its name", Verb::LoadCertificate),
    group("request system", "Perform system functions"),
    group("request system configuration", "Act on the configuration"),
    group("request system configuration load", "Validate, store and apply a configuration"),
    group("request system configuration load file", "Read it from a file"),
    entry("request system configuration load file <file>", "Path of the file", Verb::LoadFile),
    group("request system configuration load merge", "Put it on top of the running one"),
    group("request system configuration load merge file", "Read it from a file"),
    entry("request system configuration load merge file <file>", "Path of the file", Verb::MergeFile),
    entry("request system configuration load merge terminal", "Read it from the terminal", Verb::MergeTerminal),
    entry("request system configuration load terminal", "Read it from the terminal", Verb::LoadTerminal),
    entry("request system power-off", "Switch the system off", Verb::PowerOff),
    entry("request system reboot", "Restart the system", Verb::Reboot),
    entry("request system zeroize", "Forget everything and restart", Verb::Zeroize),
    group("show", "Show system information"),
    group("show chassis", "Show the node among others"),
    entry("show chassis hardware", "Show the machine, its NICs and their drivers", Verb::ShowHardware),
    group("show chassis high-availability", "Show how this node is announced"),
    entry("show chassis high-availability information", "Show the data plane's state and the signal routes", Verb::ShowHighAvailability),
    entry("show configuration", "Show the running configuration", Verb::ShowConfiguration),
    entry("show interfaces", "Show interfaces and their counters", Verb::ShowInterfaces { terse: false }),
    entry("show interfaces terse", "One line per address", Verb::ShowInterfaces { terse: true }),
    group("show log", "Show the end of a log"),
    entry("show log <file>", "Name of a file of `security ike traceoptions`", Verb::ShowLog),
    entry("show route", "Show routing tables", Verb::ShowRoute),
    entry("show route summary", "Show how many routes there are", Verb::ShowRouteSummary),
    group("show security", "Show security information"),
    entry("show security drops", "Show discarded packets by reason", Verb::ShowDrops),
    group("show security ike", "Show Internet Key Exchange information"),
    entry("show security ike failures", "Show negotiations that failed", Verb::ShowIkeFailures),
    entry("show security ike failures <peer>", "IP address of one peer", Verb::ShowIkeFailures),
    entry("show security ike gateways", "Show the addresses and host names of peers", Verb::ShowIkeGateways),
    entry("show security ike pre-shared-keys", "Show the lists of pre-shared keys", Verb::ShowKeys),
    entry("show security ike security-associations", "Show IKE security associations", Verb::ShowIkeSas { detail: false }),
    entry("show security ike security-associations detail", "Show all there is to know", Verb::ShowIkeSas { detail: true }),
    entry("show security ike statistics", "Show IKE counters", Verb::ShowIkeStatistics),
    entry("show security ike trace", "Show what the messages of a peer say", Verb::ShowIkeTrace),
    group("show security ipsec", "Show IPsec information"),
    entry("show security ipsec acceleration", "Show which devices do the ciphers", Verb::ShowAcceleration),
    entry("show security ipsec flight-recorder", "Show what became of a tunnel's packets", Verb::ShowFlight),
    entry("show security ipsec security-associations", "Show IPsec security associations", Verb::ShowIpsecSas { detail: false }),
    entry("show security ipsec security-associations detail", "Show all there is to know", Verb::ShowIpsecSas { detail: true }),
    entry("show security ipsec statistics", "Show IPsec counters", Verb::ShowIpsecStatistics),
    group("show security pki", "Show certificates"),
    entry("show security pki ca-certificate", "Show the CAs that are trusted", Verb::ShowCas { detail: false }),
    entry("show security pki ca-certificate detail", "Show fingerprints too", Verb::ShowCas { detail: true }),
    entry("show security pki crl", "Show revocation lists", Verb::ShowLists),
    entry("show security pki local-certificate", "Show our certificates and keys", Verb::ShowCertificates { detail: false }),
    entry("show security pki local-certificate detail", "Show fingerprints and chains too", Verb::ShowCertificates { detail: true }),
    group("show system", "Show system information"),
    entry("show system alarms", "Show what is wrong with the system", Verb::ShowAlarms),
    entry("show system buffers", "Show the packet buffers", Verb::ShowBuffers),
    entry("show system cpu", "Show how workers spend their time", Verb::ShowCpu),
    entry("show system day-0", "Show where the first configuration came from", Verb::ShowDay0),
    entry("show system processes", "Show the processes of the gateway", Verb::ShowProcesses),
    entry("show system uptime", "Show since when the system runs", Verb::ShowUptime),
    entry("show version", "Show the software's version", Verb::ShowVersion),
    group("start", "Start a program"),
    entry("start shell", "A shell of the system", Verb::StartShell { root: false }),
    group("start shell user", "A shell of another user"),
    entry("start shell user root", "A shell of the system's root", Verb::StartShell { root: true }),
];

/// What may follow a command.
pub const fn options(verb: Verb) -> &'static [Entry<Choose>] {
    match verb {
        Verb::MonitorTraffic => MONITOR_OPTIONS,
        Verb::GenerateKey => KEY_OPTIONS,
        Verb::RequestCertificate => REQUEST_OPTIONS,
        Verb::LoadCertificate => CERTIFICATE_OPTIONS,
        Verb::LoadCa | Verb::LoadKeys | Verb::LoadList => FILE_OPTIONS,
        _ => &[],
    }
}

#[rustfmt::skip]
const MONITOR_OPTIONS: &[Entry<Choose>] = &[
    group("count", "End after so many packets"),
    entry("count <count>", "Number of packets", Choose::Count),
    group("matching", "Show only some packets"),
    entry("matching <filter>", "Quoted: \"host 10.1.0.1 and not esp\"", Choose::Matching),
    group("size", "Look at so much of each packet"),
    entry("size <octets>", "96 to 9216 octets, 256 by default", Choose::Size),
    group("write-file", "Write pcapng"),
    entry("write-file <file>", "Path of the file, or - for the output", Choose::WriteFile),
];

#[rustfmt::skip]
const KEY_OPTIONS: &[Entry<Choose>] = &[
    group("size", "Bits of the key"),
    entry("size <bits>", "rsa: 2048 to 4096, 2048 by default; ecdsa: 256, 384, 521", Choose::Size),
    group("type", "Kind of the key"),
    entry("type <type>", "rsa (by default), ecdsa, ed25519, ed448", Choose::Type),
];

#[rustfmt::skip]
const REQUEST_OPTIONS: &[Entry<Choose>] = &[
    group("domain-name", "Host name of the gateway"),
    entry("domain-name <name>", "Host name; several with commas", Choose::DomainName),
    group("email", "Mail address"),
    entry("email <address>", "Mail address; several with commas", Choose::Email),
    group("filename", "Write the request into a file too"),
    entry("filename <file>", "Path of a file that is not there yet", Choose::File),
    group("ip-address", "IP address of the gateway"),
    entry("ip-address <address>", "IP address; several with commas", Choose::Address),
    group("subject", "Who the certificate is for"),
    entry("subject <name>", "Quoted: \"CN=gw1,O=Example,C=DE\"", Choose::Subject),
];

#[rustfmt::skip]
const CERTIFICATE_OPTIONS: &[Entry<Choose>] = &[
    group("filename", "The file"),
    entry("filename <file>", "Path of a file: PEM, DER or PKCS#12", Choose::File),
    group("key", "The private key is in another file"),
    entry("key <file>", "Path of a file: PEM or PKCS#8", Choose::KeyFile),
];

#[rustfmt::skip]
const FILE_OPTIONS: &[Entry<Choose>] = &[
    group("filename", "The file"),
    entry("filename <file>", "Path of a file: PEM or DER", Choose::File),
];

/// All filters.
#[rustfmt::skip]
pub const PIPES: &[Entry<Filter>] = &[
    entry("count", "Count the lines", Filter::Count),
    group("display", "Show in another form"),
    entry("display json", "Show as JSON", Filter::DisplayJson),
    entry("display secrets", "Show the configuration's secrets", Filter::DisplaySecrets),
    entry("display set", "Show the configuration as set lines", Filter::DisplaySet),
    group("except", "Show lines that do not match"),
    entry("except <pattern>", "Regular expression", Filter::Except),
    group("match", "Show lines that match"),
    entry("match <pattern>", "Regular expression", Filter::Match),
    entry("no-more", "Do not stop after each screen", Filter::NoMore),
];
