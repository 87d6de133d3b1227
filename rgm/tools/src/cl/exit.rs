//! The exit codes of the `cl*` commands (reference 7.4), and what they are for the manager's words.

use rgm_types::SchaErr;

/// `CL_E…`; the number is the exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
#[expect(missing_docs, reason = "reference 7.4 has the table")]
pub enum ClErr {
    Nomem = 1,
    Inval = 3,
    Reconf = 5,
    Access = 6,
    State = 9,
    Method = 10,
    Prop = 15,
    Internal = 18,
    Io = 35,
    Noent = 36,
    Op = 37,
    Busy = 38,
    Exist = 39,
    Type = 41,
}

impl ClErr {
    /// The exit code.
    pub fn code(self) -> u8 {
        self as u8
    }

    /// The manager's own word for it, where a failure needs one.
    pub fn scha(self) -> SchaErr {
        match self {
            Self::Nomem => SchaErr::Nomem,
            Self::Inval | Self::Io => SchaErr::Inval,
            Self::Reconf => SchaErr::Reconf,
            Self::Access => SchaErr::Access,
            Self::State => SchaErr::State,
            Self::Method => SchaErr::Method,
            Self::Prop => SchaErr::Prop,
            Self::Internal => SchaErr::Internal,
            Self::Noent => SchaErr::Rsrc,
            Self::Op => SchaErr::NotAllowed,
            Self::Busy => SchaErr::Busy,
            Self::Exist => SchaErr::Exists,
            Self::Type => SchaErr::Rt,
        }
    }
}

/// What does not exist is told from what may not be; a type that is not there is an invalid type.
impl From<SchaErr> for ClErr {
    fn from(code: SchaErr) -> Self {
        match code {
            SchaErr::Nomem => Self::Nomem,
            SchaErr::Inval | SchaErr::Tag => Self::Inval,
            SchaErr::Reconf | SchaErr::Seqid | SchaErr::Timeout => Self::Reconf,
            SchaErr::Access => Self::Access,
            SchaErr::State | SchaErr::Rstatus => Self::State,
            SchaErr::Method | SchaErr::Checks | SchaErr::Fail => Self::Method,
            SchaErr::Prop => Self::Prop,
            SchaErr::Handle | SchaErr::Internal => Self::Internal,
            SchaErr::Node | SchaErr::Rg | SchaErr::Rsrc => Self::Noent,
            SchaErr::Depend | SchaErr::NotAllowed => Self::Op,
            SchaErr::Busy => Self::Busy,
            SchaErr::Exists => Self::Exist,
            SchaErr::Rt => Self::Type,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::suite::EXITS;

    #[test]
    fn every_word_of_the_manager_has_an_exit_code_that_the_commands_explain() {
        for code in SchaErr::ALL {
            let exit = ClErr::from(code).code().to_string();
            assert!(EXITS.iter().any(|(explained, _)| *explained == exit), "{}: {exit}", code.symbol());
        }
        assert_eq!(ClErr::from(SchaErr::Rg).code(), 36);
        assert_eq!(ClErr::from(SchaErr::NotAllowed).code(), 37);
        assert_eq!(ClErr::from(SchaErr::Busy).code(), 38);
        assert_eq!(ClErr::from(SchaErr::Exists).code(), 39);
        assert_eq!(ClErr::from(SchaErr::Rt).code(), 41);
    }
}
