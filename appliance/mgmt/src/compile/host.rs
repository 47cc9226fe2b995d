//! The host side's part: name, users, management interface.

use super::CompileError;
use super::instances::route_path;
use ravelin_config::Config;
use ravelin_config::typed::{self, RouteHop, StaticRoute};
use ravelin_ctl::host::wanted::{Class, HostConfig, Management, Password, PasswordHash, User};
use std::net::IpAddr;

/// The user of a configuration that has no administrator: without one, nobody could ever give it one.
const FACTORY_USER: &str = "admin";
/// Accounts of the system itself. `ravelin-host apply` refuses any other that it finds, too.
const SYSTEM_USERS: &[&str] = &[
    "backup",
    "bin",
    "daemon",
    "dhcpcd",
    "frr",
    "games",
    "irc",
    "list",
    "lp",
    "mail",
    "man",
    "messagebus",
    "news",
    "nobody",
    "polkitd",
    "proxy",
    "root",
    "sshd",
    "sync",
    "sys",
    "tss",
    "uucp",
    "www-data",
];
/// How names of system accounts begin.
const SYSTEM_PREFIXES: &[&str] = &["ravelin", "systemd-"];

/// Compiles it; user ids are given later, by who knows the former ones.
pub(super) fn compile(config: &Config, errors: &mut Vec<CompileError>) -> HostConfig {
    let mut users = Vec::new();
    for user in &config.system.login.user {
        match self::user(user) {
            Ok(made) => users.push(made),
            Err(message) => errors.push(CompileError {
                path: format!("system login user {}", user.name),
                message,
            }),
        }
    }
    if !users.iter().any(|u| u.class == Class::SuperUser) {
        match users.iter_mut().find(|u| u.name == FACTORY_USER) {
            Some(admin) => errors.push(CompileError {
                path: format!("system login user {FACTORY_USER} class"),
                message: format!(
                    "no user is a super-user, and `{}` is none either",
                    admin.name
                ),
            }),
            None => users.push(factory_user()),
        }
    }
    users.sort_by(|a, b| a.name.cmp(&b.name));
    HostConfig {
        host_name: config.system.host_name.clone(),
        users,
        management: management(config, errors),
        ..HostConfig::default()
    }
}

fn factory_user() -> User {
    User {
        name: FACTORY_USER.to_owned(),
        uid: 0,
        full_name: None,
        class: Class::SuperUser,
        password: Password::Unset,
        keys: Vec::new(),
    }
}

fn user(user: &typed::User) -> Result<User, String> {
    let reserved = SYSTEM_PREFIXES.iter().any(|p| user.name.starts_with(p));
    if reserved || SYSTEM_USERS.contains(&user.name.as_str()) {
        return Err(format!("`{}` is an account of the system", user.name));
    }
    let class = match user.class.as_str() {
        "super-user" => Class::SuperUser,
        "operator" => Class::Operator,
        "read-only" => Class::ReadOnly,
        // The model's enumeration holds the name to these.
        other => return Err(format!("no class `{other}`")),
    };
    let keys: Vec<String> = user.authentication.keys().map(str::to_owned).collect();
    let password = match &user.authentication.encrypted_password {
        Some(text) => {
            let hash = PasswordHash::try_from(text.expose().to_owned());
            Password::Hash(hash.map_err(|error| error.to_string())?)
        }
        None if keys.is_empty() => Password::Unset,
        None => Password::Locked,
    };
    Ok(User {
        name: user.name.clone(),
        uid: 0,
        full_name: user.full_name.clone(),
        class,
        password,
        keys,
    })
}

/// What the configuration calls the management interface.
pub(super) const MANAGEMENT: &str = "fxp0";

fn management(config: &Config, errors: &mut Vec<CompileError>) -> Management {
    let mut made = Management::default();
    let interface = config.interfaces().iter().find(|i| i.name == MANAGEMENT);
    let Some(interface) = interface else {
        return made;
    };
    made.mtu_octets = interface.mtu;
    for unit in &interface.unit {
        made.dhcp |= unit.inet().is_some_and(|f| f.dhcp);
        made.dhcp_ipv6 |= unit.inet6().is_some_and(|f| f.dhcp);
        let addresses = unit.addresses().map(|a| (a.address, a.length));
        made.addresses.extend(addresses);
    }
    for route in config.management_routes() {
        match neighbour(route) {
            Some(hop) => (made.routes).push((route.prefix.addr(), route.prefix.len(), hop)),
            None => errors.push(CompileError {
                path: route_path(Some("mgmt_junos"), route),
                message: "a route of the management instance has one next hop, an address"
                    .to_owned(),
            }),
        }
    }
    made
}

/// The next hop of a route, if it is one neighbour.
fn neighbour(route: &StaticRoute) -> Option<IpAddr> {
    match route.next_hop.as_slice() {
        [RouteHop::Address(address)] => Some(*address),
        _ => None,
    }
}
