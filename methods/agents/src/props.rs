//! Properties, as a method sees them.
//!
//! VALIDATE is given what is to become: everything at creation, when rgmd does not know the resource
//! yet, and the changes at an update, when the rest is as it was. Every other method asks rgmd.

use crate::Failed;
use crate::call::{Call, Purpose};
use crate::manager::Manager;
use rgm_api::rgm::Failure;
use rgm_types::SchaErr;

/// The properties of a call's resource and group.
#[derive(Debug, Clone, Copy)]
pub struct Props<'a> {
    call: &'a Call,
    manager: &'a Manager,
}

/// A property and its value; a list's elements are joined by commas.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prop {
    name: String,
    /// The value. Empty where it has none.
    pub text: String,
}

impl<'a> Props<'a> {
    /// Of this call.
    pub fn new(call: &'a Call, manager: &'a Manager) -> Self {
        Self { call, manager }
    }

    /// A system-defined property.
    pub fn standard(&self, name: &str) -> Result<Prop, Failed> {
        self.find(name, &self.call.standard, || self.manager.resource(&self.call.resource, name))
    }

    /// An extension property.
    pub fn extension(&self, name: &str) -> Result<Prop, Failed> {
        self.find(name, &self.call.extension, || self.manager.extension(&self.call.resource, name))
    }

    /// A property of the group.
    pub fn group(&self, name: &str) -> Result<Prop, Failed> {
        self.find(name, &self.call.group_props, || self.manager.group(&self.call.group, name))
    }

    fn find(
        &self,
        name: &str,
        given: &[(String, String)],
        ask: impl FnOnce() -> Result<String, Failure>,
    ) -> Result<Prop, Failed> {
        let prop = |text| Prop { name: name.to_owned(), text };
        if let Some((_, value)) = given.iter().find(|(given, _)| given.eq_ignore_ascii_case(name)) {
            return Ok(prop(value.clone()));
        }
        if self.call.purpose == Some(Purpose::Creation) {
            return Ok(prop(String::new()));
        }
        match ask() {
            Ok(value) => Ok(prop(value)),
            // A property without a value.
            Err(failure) if failure.code() == SchaErr::Prop => Ok(prop(String::new())),
            Err(failure) => Err(Failed::new(format!("cannot read property {name}: {failure}"))),
        }
    }
}

impl Prop {
    /// Has it a value?
    pub fn is_set(&self) -> bool {
        !self.text.is_empty()
    }

    /// The elements of a list.
    pub fn list(&self) -> Vec<&str> {
        self.text.split(',').map(str::trim).filter(|element| !element.is_empty()).collect()
    }

    /// A number.
    pub fn int(&self) -> Result<i64, Failed> {
        let wrong = |error| Failed::new(format!("{}={} is no number: {error}", self.name, self.text));
        self.text.trim().parse().map_err(wrong)
    }

    /// A number of seconds.
    pub fn seconds(&self) -> Result<std::time::Duration, Failed> {
        let wrong = |_| Failed::new(format!("{}={} is no number of seconds", self.name, self.text));
        Ok(std::time::Duration::from_secs(self.int()?.try_into().map_err(wrong)?))
    }

    /// TRUE or FALSE.
    pub fn is_true(&self) -> bool {
        self.text.eq_ignore_ascii_case("TRUE")
    }
}
