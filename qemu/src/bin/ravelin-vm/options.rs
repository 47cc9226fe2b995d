//! The command line of `ravelin-vm`.

use ravelin_qemu::NicModel;
use std::path::PathBuf;

pub const USAGE: &str = "\
usage: ravelin-vm run --image FILE [OPTIONS]

  --nic virtio|vmxnet3|igb-vf  model of the data NICs (virtio)
  --nics N                     how many (2)
  --uefi                       UEFI instead of BIOS
  --seed FILE                  day-0 medium (ISO or disk); may be repeated
  --cpus N                     processors (2)
  --memory MiB                 memory (2048)
  --disk FILE                  keep what the machine writes in FILE and go on with it the next time;
                               without it the machine is new each time
  --ssh-port PORT              port of the loopback that leads to fxp0's SSH (2222)
  --no-iommu                   no IOMMU: NICs are bound to uio_pci_generic or igb_uio
Ctrl-] ends the machine.
";

/// Slots are left for this many beside `fxp0`.
const MAX_DATA_NICS: usize = ravelin_qemu::guest::MAX_NICS - 1;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Model {
    Virtio,
    Vmxnet3,
    IgbVf,
}

/// What was asked for.
#[derive(Debug, PartialEq, Eq)]
pub struct Options {
    pub image: PathBuf,
    model: Model,
    pub nics: usize,
    pub uefi: bool,
    pub seeds: Vec<PathBuf>,
    pub cpus: u32,
    pub memory_mib: u32,
    pub disk: Option<PathBuf>,
    pub ssh_port: u16,
    pub iommu: bool,
}

impl Options {
    /// The options, or none when help is asked for.
    ///
    /// # Errors
    /// What is wrong with them, for people.
    pub fn parse(arguments: &[String]) -> Result<Option<Self>, String> {
        let mut options = Self {
            image: PathBuf::new(),
            model: Model::Virtio,
            nics: 2,
            uefi: false,
            seeds: vec![],
            cpus: 2,
            memory_mib: 2048,
            disk: None,
            ssh_port: 2222,
            iommu: true,
        };
        let mut words = arguments.iter().map(String::as_str);
        match words.next() {
            Some("run") => {}
            Some("help" | "-h" | "--help") => return Ok(None),
            other => return Err(format!("unknown command {}", other.unwrap_or("(none)"))),
        }
        while let Some(option) = words.next() {
            match option {
                "-h" | "--help" => return Ok(None),
                "--uefi" => options.uefi = true,
                "--no-iommu" => options.iommu = false,
                _ => {
                    let value = words
                        .next()
                        .ok_or(format!("{option}: unknown, or without its value"))?;
                    options.set(option, value)?;
                }
            }
        }
        if options.image.as_os_str().is_empty() {
            return Err("--image is missing".to_owned());
        }
        Ok(Some(options))
    }

    fn set(&mut self, option: &str, value: &str) -> Result<(), String> {
        match option {
            "--image" => self.image = value.into(),
            "--disk" => self.disk = Some(value.into()),
            "--seed" => self.seeds.push(value.into()),
            "--cpus" => self.cpus = number(option, value, 1, 64)?,
            "--memory" => self.memory_mib = number(option, value, 256, 1 << 20)?,
            "--nics" => self.nics = number(option, value, 0, MAX_DATA_NICS)?,
            "--ssh-port" => self.ssh_port = number(option, value, 1, u16::MAX)?,
            "--nic" => {
                self.model = match value {
                    "virtio" => Model::Virtio,
                    "vmxnet3" => Model::Vmxnet3,
                    "igb-vf" => Model::IgbVf,
                    _ => return Err(format!("{option} {value}: it is virtio, vmxnet3 or igb-vf")),
                }
            }
            _ => return Err(format!("unknown option {option}")),
        }
        Ok(())
    }

    /// The model of the data NICs. With an IOMMU virtio is behind it, else the guest could not hand it to a program.
    pub fn model(&self) -> NicModel {
        match self.model {
            Model::Virtio if self.iommu => NicModel::virtio_iommu(),
            Model::Virtio => NicModel::virtio(),
            Model::Vmxnet3 => NicModel::Vmxnet3,
            Model::IgbVf => NicModel::Igb,
        }
    }
}

fn number<T>(option: &str, value: &str, least: T, most: T) -> Result<T, String>
where
    T: std::str::FromStr + PartialOrd + std::fmt::Display + Copy,
{
    match value.parse() {
        Ok(number) if (least..=most).contains(&number) => Ok(number),
        _ => Err(format!(
            "{option} {value}: it is a number from {least} to {most}"
        )),
    }
}

#[cfg(test)]
mod tests;
