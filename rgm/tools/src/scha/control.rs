//! `scha_control` and `scha_resource_setstatus` (reference 8.6, 8.7).

use super::get::checked;
use crate::args::Args;
use crate::ask::{self, Change};
use crate::failure::Failure;
use rgm_types::{Command, ControlOp, SchaErr, Status};

/// `scha_control`. It returns when the action is complete; the caller may be gone by then.
pub fn control(args: &Args) -> Result<String, Failure> {
    done(control_command(args)?)
}

/// `scha_resource_setstatus`.
pub fn set_status(args: &Args) -> Result<String, Failure> {
    done(status_command(args)?)
}

fn done(command: Command) -> Result<String, Failure> {
    ask::change(Change::Command(command), false, None).map(|_| String::new())
}

fn control_command(args: &Args) -> Result<Command, Failure> {
    checked(args)?;
    let tag = args.needed("-O")?;
    let op = ControlOp::from_word(tag).ok_or_else(|| {
        let known: Vec<&str> = ControlOp::ALL.into_iter().map(ControlOp::word).collect();
        Failure::new(SchaErr::Tag, format!("-O {tag}: unknown tag"), format!("one of: {}", known.join(" ")))
    })?;
    Ok(Command::Control { op, group: args.needed("-G")?.to_owned(), resource: args.needed("-R")?.to_owned() })
}

fn status_command(args: &Args) -> Result<Command, Failure> {
    checked(args)?;
    let word = args.needed("-s")?;
    let status = Status::from_word(word).ok_or_else(|| {
        let known: Vec<&str> = Status::ALL.into_iter().map(Status::word).collect();
        Failure::new(
            SchaErr::Rstatus,
            format!("-s {word}: unknown status"),
            format!("one of: {}", known.join(" ")),
        )
    })?;
    Ok(Command::SetStatus {
        group: args.needed("-G")?.to_owned(),
        resource: args.needed("-R")?.to_owned(),
        status,
        message: args.one("-m")?.map(str::to_owned),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tables;

    fn parse(table: &'static crate::applet::Applet, words: &[&str]) -> Args {
        Args::parse(table, words.iter().map(Into::into)).unwrap()
    }

    #[test]
    fn a_tag_in_any_case_names_the_operation() {
        for tag in ["GIVEOVER", "giveover", "Giveover"] {
            let args = parse(&tables::SCHA_CONTROL, &["-R", "r", "-O", tag, "-G", "g"]);
            let expected =
                Command::Control { op: ControlOp::Giveover, group: "g".into(), resource: "r".into() };
            assert_eq!(control_command(&args).unwrap(), expected);
        }
    }

    #[test]
    fn an_unknown_tag_is_4_and_an_unknown_status_17() {
        let args = parse(&tables::SCHA_CONTROL, &["-R", "r", "-O", "GIVE_OVER", "-G", "g"]);
        assert_eq!(control_command(&args).unwrap_err().code(), 4);
        let args = parse(&tables::SCHA_RESOURCE_SETSTATUS, &["-R", "r", "-G", "g", "-s", "GOOD"]);
        assert_eq!(status_command(&args).unwrap_err().code(), 17);
        let args = parse(&tables::SCHA_RESOURCE_SETSTATUS, &["-R", "r", "-G", "g"]);
        assert_eq!(status_command(&args).unwrap_err().code(), 3);
    }

    #[test]
    fn a_status_without_message_clears_the_old_one() {
        let args = parse(&tables::SCHA_RESOURCE_SETSTATUS, &["-s", "ok", "-R", "r", "-G", "g"]);
        let expected =
            Command::SetStatus { group: "g".into(), resource: "r".into(), status: Status::Ok, message: None };
        assert_eq!(status_command(&args).unwrap(), expected);
        let words = ["-s", "FAULTED", "-m", "no answer, twice", "-R", "r", "-G", "g"];
        let args = parse(&tables::SCHA_RESOURCE_SETSTATUS, &words);
        assert!(matches!(status_command(&args).unwrap(),
            Command::SetStatus { message: Some(m), .. } if m == "no answer, twice"));
    }
}
