//! `ravelin-testca`: writes a PKI for tests into a folder. Not part of the appliance.
#![forbid(unsafe_code)]

use std::path::Path;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use ravelin_pki::WallTime;
use ravelin_pki::testca::{Contents, Fault, Hierarchy, KeyKind};

const HELP: &str = "\
usage: ravelin-testca make FOLDER [OPTIONS]    write a root CA, an intermediate CA and certificates
       ravelin-testca faults                   list the faults that certificates can have
       ravelin-testca --help

options of make
  --key KIND       rsa-2048, rsa-3072, rsa-4096, p256 (default), p384 or ed25519
  --gateways N     certificates gw1.DOMAIN and so on (default 1, at most 10000)
  --enbs N         certificates enb1.DOMAIN and so on (default 2, at most 10000)
  --fleet N        certificates enb-00001.DOMAIN and so on (default 0, at most 10000), which have one key,
                   fleet.key: for `ravelin-enb --certificate FOLDER/enb-{}.pem --key FOLDER/fleet.key`
  --domain NAME    the domain of their host names (default example.net)
  --fault NAME     a certificate bad-NAME with that fault; may be repeated; `all` for each of them

FOLDER gets root.pem, access.pem, access.crl, and NAME.pem (with the intermediate CA) and NAME.key for
each certificate. What is there with the same name is replaced. The keys have no passphrase.
";
/// Certificates of a kind.
const MAX_COUNT: u32 = 10_000;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match arguments.as_slice() {
        [] => Err("nothing to do; see --help".to_owned()),
        list if list.iter().any(|a| matches!(*a, "-h" | "--help" | "help")) => {
            print!("{HELP}");
            Ok(())
        }
        ["faults"] => {
            for fault in Fault::ALL {
                println!("{:18} {}", fault.to_string(), fault.about());
            }
            Ok(())
        }
        ["make", folder, options @ ..] if !folder.starts_with('-') => make(folder, options),
        _ => Err(format!(
            "`{}` is not understood; see --help",
            arguments.join(" ")
        )),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("ravelin-testca: {error}");
            ExitCode::FAILURE
        }
    }
}

fn make(folder: &str, options: &[&str]) -> Result<(), String> {
    let mut kind = KeyKind::P256;
    let mut domain = "example.net";
    let mut contents = Contents {
        gateways: 1,
        enodebs: 2,
        ..Contents::default()
    };
    for option in options.chunks(2) {
        let &[option, value] = option else {
            return Err(format!("{} needs a value", option.concat()));
        };
        let wrong = || format!("{option} {value}: not such a value; see --help");
        let count = || {
            value
                .parse()
                .ok()
                .filter(|n| *n <= MAX_COUNT)
                .ok_or_else(wrong)
        };
        match option {
            "--key" => kind = value.parse().map_err(|()| wrong())?,
            "--gateways" => contents.gateways = count()?,
            "--enbs" => contents.enodebs = count()?,
            "--fleet" => contents.fleet = count()?,
            "--domain" => domain = value,
            "--fault" if value == "all" => contents.faults = Fault::ALL.to_vec(),
            "--fault" => contents.faults.push(value.parse().map_err(|()| wrong())?),
            _ => return Err(format!("{option} is no option; see --help")),
        }
    }
    contents.faults.sort();
    contents.faults.dedup();
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.map_or(0, |since| since.as_secs());
    let now = WallTime(i64::try_from(now).unwrap_or(i64::MAX));
    let made =
        Hierarchy::new(kind, now, domain).and_then(|ca| ca.write(Path::new(folder), &contents));
    let count = made.map_err(|error| error.to_string())?;
    println!("{count} files in {folder}");
    Ok(())
}
