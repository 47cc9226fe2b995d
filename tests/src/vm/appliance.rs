//! The appliance in a virtual machine: its image, its day-0 configuration, and its CLI on the serial console.

use super::image;
use crate::{BenchError, Result};
use ravelin_qemu::guest::Backend;
use ravelin_qemu::wait::wait_until;
use ravelin_qemu::{Disk, Guest, GuestPlan, Lab, Link, Nic, NicModel, media, minutes};
use std::path::PathBuf;
use std::time::Duration;

/// The user of the configurations below.
pub const USER: &str = "admin";
/// The password whose hash is in them.
pub const PASSWORD: &str = "correct-horse";
/// SHA-512 crypt(5) of it.
const PASSWORD_HASH: &str = "$6$ravelinvm$ML3p/BMC6UafF2By/3C2kvtMTclmRvlWIPjjM7aCDf.VkeTCoisCuS94WYN7wW14PzocvKlWYd2eaIWjiJNKW/";
/// The prompt of the CLI.
pub const PROMPT: &str = r"[a-z][-a-z0-9_]*@[-a-zA-Z0-9.]+> ";
/// The prompt of the shell behind it.
const SHELL_PROMPT: &str = r"[^\n]*[$#] ";
/// From QEMU's start to the login prompt on a machine that does other things as well.
pub const BOOT_LIMIT: Duration = minutes(10);
/// One command of the CLI.
pub const COMMAND_LIMIT: Duration = minutes(2);

/// The smallest machine that is supported: 2 processors and 2 GiB.
pub const CPUS: u32 = 2;
const MEMORY_MIB: u32 = 2048;

/// The booted image.
#[derive(Debug)]
pub struct Appliance {
    guest: Guest,
}

/// Turns a configuration of the bench, whose ports are `net_af_packet`, into one of the image: its ports are found by themselves,
/// the management interface takes its address from the network, and somebody may log in.
pub fn configuration(bench: &str) -> String {
    let ports = bench
        .lines()
        .filter(|line| !line.trim_start().starts_with("device \"net_af_packet"));
    let mut text = String::new();
    for line in ports {
        text += line;
        text.push('\n');
        if line == "system {" {
            text += &login(USER, PASSWORD_HASH);
        }
        if line == "interfaces {" {
            text += "    fxp0 {\n        unit 0 {\n            family inet {\n                dhcp;\n            }\n        }\n    }\n";
        }
    }
    text
}

fn login(user: &str, hash: &str) -> String {
    format!(
        "    login {{\n        user {user} {{\n            class super-user;\n            authentication {{\n                \
         encrypted-password \"{hash}\"; ## SECRET-DATA\n            }}\n        }}\n    }}\n"
    )
}

/// An ISO labelled `cidata` with that configuration and host name.
///
/// # Errors
/// When it cannot be made.
pub fn seed(lab: &Lab, configuration: &str, host_name: &str) -> Result<PathBuf> {
    let meta = format!("instance-id: {host_name}\nlocal-hostname: {host_name}\n");
    let files: [(&str, &[u8]); 2] = [
        ("user-data", configuration.as_bytes()),
        ("meta-data", meta.as_bytes()),
    ];
    Ok(media::iso(lab, "cidata", &files)?)
}

/// A machine with the image, a management NIC on QEMU's own network, and data NICs of that model on these links.
///
/// # Errors
/// When there is no image.
pub fn plan(name: &str, model: NicModel, links: &[&Link]) -> Result<GuestPlan> {
    let mut plan = bare(name, Disk::overlay(&image()?));
    for link in links {
        plan = plan.nic(Nic::new(model).on(link));
    }
    if model == NicModel::virtio_iommu() {
        plan = plan.iommu();
    }
    Ok(plan)
}

/// A machine that boots from that disk, with a management NIC on QEMU's own network and nothing else.
pub fn bare(name: &str, disk: Disk) -> GuestPlan {
    // A port of its own choosing leads to SSH.
    let management = Nic::new(NicModel::virtio()).backend(Backend::User(vec![(0, 22)]));
    Guest::named(name)
        .cpus(CPUS)
        .memory_mib(MEMORY_MIB)
        .disk(disk)
        .nic(management)
}

impl Appliance {
    /// Switches it on.
    ///
    /// # Errors
    /// When QEMU does not start.
    pub fn start(plan: GuestPlan, lab: &Lab) -> Result<Self> {
        Ok(Self {
            guest: plan.start(lab)?,
        })
    }

    /// The virtual machine.
    pub fn guest(&mut self) -> &mut Guest {
        &mut self.guest
    }

    /// Waits for the login prompt on the serial console and returns the time since QEMU's start.
    ///
    /// # Errors
    /// When it does not come.
    pub fn booted(&mut self) -> Result<Duration> {
        let start = self.guest.started()?;
        self.guest.console()?.expect(r"login: ?\z", BOOT_LIMIT)?;
        Ok(start.elapsed())
    }

    /// Logs in with the password of [`configuration`].
    ///
    /// # Errors
    /// When it is refused.
    pub fn login(&mut self) -> Result<()> {
        self.login_with(PASSWORD)
    }

    /// Logs in with another password.
    ///
    /// # Errors
    /// When it is refused.
    pub fn login_with(&mut self, password: &str) -> Result<()> {
        let console = self.guest.console()?;
        console.send("\r")?;
        Ok(console.login(USER, Some(password), PROMPT, COMMAND_LIMIT)?)
    }

    /// Waits for the login prompt and logs in.
    ///
    /// # Errors
    /// When either does not happen.
    pub fn boot_and_login(&mut self) -> Result<Duration> {
        let time = self.booted()?;
        self.login()?;
        Ok(time)
    }

    /// One command on the serial console, and what it prints.
    ///
    /// # Errors
    /// When the prompt does not come back.
    pub fn cli(&mut self, command: &str) -> Result<String> {
        let whole = if command.starts_with("show ") {
            format!("{command} | no-more")
        } else {
            command.to_owned()
        };
        Ok(self.guest.console()?.command(&whole, COMMAND_LIMIT)?)
    }

    /// The first login on a console of the factory default: `admin` has no password and must choose one.
    ///
    /// # Errors
    /// When it goes otherwise.
    pub fn first_login(&mut self, password: &str) -> Result<()> {
        let console = self.guest.console()?;
        console.send("\r")?;
        console.expect("login: ?", COMMAND_LIMIT)?;
        console.send_line(USER)?;
        for _ in 0..2 {
            console.expect(r"(?i)password: ?\z", COMMAND_LIMIT)?;
            console.send_line(password)?;
        }
        console.expect(&format!(r"^(?:{PROMPT})\z"), COMMAND_LIMIT)?;
        console.set_prompt(PROMPT);
        Ok(())
    }

    /// Runs a line of shell as root and returns what it prints.
    ///
    /// # Errors
    /// When a prompt does not come.
    pub fn shell(&mut self, line: &str) -> Result<String> {
        let console = self.guest.console()?;
        console.set_prompt(SHELL_PROMPT);
        console.command("start shell user root", COMMAND_LIMIT)?;
        let output = console.command(line, COMMAND_LIMIT);
        console.set_prompt(PROMPT);
        console.command("exit", COMMAND_LIMIT)?;
        Ok(output?)
    }

    /// `request system configuration load` with that mode (nothing or `merge`) and `terminal`: types the text and the end of input, and
    /// returns what is said about it.
    ///
    /// # Errors
    /// When it is not asked for, or the prompt does not come back.
    pub fn load(&mut self, mode: &str, text: &str) -> Result<String> {
        let console = self.guest.console()?;
        console.skip();
        console.send_line(&format!(
            "request system configuration load {mode} terminal"
        ))?;
        console.expect(r"\^D at a new line[^\n]*\n", COMMAND_LIMIT)?;
        console.paste(text, COMMAND_LIMIT)?;
        console.send("\u{4}")?;
        let prompt = format!(r"^(?:{PROMPT})\z");
        Ok(console.expect(&prompt, COMMAND_LIMIT)?.before)
    }

    /// Waits until a command prints something that matches.
    ///
    /// # Errors
    /// When it does not within `limit`, with what it printed last.
    pub fn cli_until(
        &mut self,
        command: &str,
        limit: Duration,
        judge: impl Fn(&str) -> bool,
    ) -> Result<String> {
        let mut last = String::new();
        let waited = wait_until(command, limit, || {
            last = self.cli(command)?;
            Ok::<_, BenchError>(judge(&last).then(|| last.clone()))
        });
        waited.map_err(|error| BenchError::Unexpected(format!("{error}; it printed last:\n{last}")))
    }

    /// A request by which the node restarts: says yes, and waits until it has come back to its login prompt.
    ///
    /// # Errors
    /// When it is not asked for, or the node does not come back.
    pub fn end(&mut self, request: &str) -> Result<()> {
        let console = self.guest.console()?;
        console.send_line(request)?;
        console.expect(r"\[yes,no\] \(no\) ?\z", COMMAND_LIMIT)?;
        console.send_line("yes")?;
        console.expect("Booting `Ravelin", BOOT_LIMIT)?;
        console.expect(r"login: ?\z", BOOT_LIMIT)?;
        Ok(())
    }

    /// Cuts the power, switches it on again, and waits for the login prompt.
    ///
    /// # Errors
    /// When it does not come back.
    pub fn power_cycle(&mut self) -> Result<Duration> {
        self.guest.power_cut()?;
        self.guest.power_on()?;
        self.booted()
    }
}
