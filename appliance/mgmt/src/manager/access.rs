//! Who may ask what. The kernel says which user asks, the running configuration what that user may do.

use super::Manager;
use crate::host::Who;
use crate::server::is_ours;
use ravelin_ctl::host::wanted::{Class, Password};
use ravelin_ctl::operator::{Request, Session};

impl Manager {
    /// Who asks.
    ///
    /// # Errors
    /// A line for somebody who is not configured.
    pub(super) fn who(&self, uid: Option<u32>) -> Result<Who, String> {
        let uid = uid.ok_or("the kernel does not say who asks")?;
        if is_ours(uid) {
            return Ok(Who {
                name: "root".to_owned(),
                class: Class::SuperUser,
            });
        }
        let user = self.host.user(uid);
        let user = user.ok_or_else(|| format!("user id {uid} is not configured"))?;
        Ok(Who {
            name: user.name.clone(),
            class: user.class,
        })
    }

    /// Whether `who` may ask this.
    ///
    /// # Errors
    /// A line that names what is missing.
    pub(super) fn permit(who: &Who, request: &Request) -> Result<(), String> {
        let wanted = request.class();
        if who.class >= wanted {
            return Ok(());
        }
        Err(format!(
            "permission denied: this takes class {}, and `{}` is {}",
            wanted.name(),
            who.name,
            who.class.name()
        ))
    }

    /// Whether `who` has to set a password.
    pub(super) fn wants_password(&self, who: &Who) -> bool {
        let users = &self.host.runs().users;
        let user = users.iter().find(|u| u.name == who.name);
        user.is_some_and(|u| u.password == Password::Unset)
    }

    pub(super) fn session(&self, who: &Who) -> Session {
        Session {
            user: who.name.clone(),
            class: who.class,
            password_wanted: self.wants_password(who),
            host_name: self.running.compiled.host.host_name.clone(),
            software: self.hello.software.clone(),
            alarms: self.alarms().iter().map(|a| a.text.clone()).collect(),
        }
    }
}
