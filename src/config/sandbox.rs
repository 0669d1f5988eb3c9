//! `--sandbox`: whether processes that read clients' bytes give up the rights that they do not
//! need.

use std::fmt;
use std::str::FromStr;

/// When a process is confined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sandbox {
    /// Always: where the kernel cannot confine it completely, the server does not start.
    Require,
    /// As far as the kernel can.
    Try,
    /// Never.
    Off,
}

impl Sandbox {
    /// Without the flag.
    pub const DEFAULT: Sandbox = if cfg!(feature = "ops") { Sandbox::Try } else { Sandbox::Off };
}

impl fmt::Display for Sandbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Sandbox::Require => "require",
            Sandbox::Try => "try",
            Sandbox::Off => "off",
        })
    }
}

impl FromStr for Sandbox {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Sandbox, &'static str> {
        match text {
            "require" => Ok(Sandbox::Require),
            "try" => Ok(Sandbox::Try),
            "off" => Ok(Sandbox::Off),
            _ => Err("not a way to confine (use require, try or off)"),
        }
    }
}
