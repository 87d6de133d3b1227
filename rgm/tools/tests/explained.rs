//! What explains the commands, of all of them: help, manual pages, completion.
#![expect(clippy::unwrap_used, reason = "helpers of tests: what is missing fails the test")]

use rgm_tools::applet::Applet;
use rgm_tools::completion::{Shell, completion};
use rgm_tools::{man, scadm, scha, tables};
use rgm_types::SchaErr;
use std::io::Write;
use std::process::{Command, Stdio};

/// The administration without subcommands.
const OLDER: [&str; 3] = ["scrgadm", "scswitch", "scstat"];

/// Runs a program on a text and returns what it printed, both outputs together; `None` if it is not installed.
fn piped(program: &str, args: &[&str], text: &str) -> Option<(bool, String)> {
    let mut command = Command::new(program);
    command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().ok()?;
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let out = child.wait_with_output().unwrap();
    let printed = String::from_utf8_lossy(&out.stdout) + String::from_utf8_lossy(&out.stderr);
    Some((out.status.success(), printed.into_owned()))
}

#[test]
fn the_help_of_every_command_explains_all_its_options_and_has_an_example() {
    for name in scha::LINKS.iter().chain(&OLDER) {
        let binary =
            if OLDER.contains(name) { env!("CARGO_BIN_EXE_scadm") } else { env!("CARGO_BIN_EXE_scha") };
        let out = Command::new(binary).args([name, "--help"]).output().unwrap();
        assert!(out.status.success() && out.stderr.is_empty(), "{name}");
        let help = String::from_utf8(out.stdout).unwrap();
        assert!(help.lines().all(|line| line.chars().count() <= 100), "{name}");
        insta::assert_snapshot!(*name, help);
    }
}

#[test]
fn every_command_with_subcommands_and_each_of_them_explains_itself() {
    let dir = tempfile::tempdir().unwrap();
    for suite in tables::SUITES {
        let help = |words: &[&str]| {
            let mut command = Command::new(env!("CARGO_BIN_EXE_scadm"));
            let out = command.arg(suite.short).args(words).env("RGM_RUN_DIR", dir.path()).output().unwrap();
            assert!(out.status.success() && out.stderr.is_empty(), "{} {words:?}", suite.short);
            let help = String::from_utf8(out.stdout).unwrap();
            assert!(
                help.lines().all(|line| line.chars().count() <= 100),
                "{} {words:?}: {help}",
                suite.short
            );
            help
        };
        let mut all = help(&["--help"]);
        assert_eq!(help(&["-?"]), all);
        for subcommand in suite.subcommands {
            let own = help(&[subcommand.name, "-?"]);
            assert_eq!(help(&[subcommand.name, "--help"]), own);
            let refused = subcommand.summary.starts_with("refused");
            assert!(refused || !subcommand.examples.is_empty(), "{} {}", suite.short, subcommand.name);
            all.push_str(&format!("\n{}\n{own}", "=".repeat(78)));
        }
        insta::assert_snapshot!(suite.short, all);
    }
}

#[test]
fn tables_with_subcommands_hold_together() {
    for suite in tables::SUITES {
        for sub in suite.subcommands {
            let name = format!("{} {}", suite.short, sub.name);
            let spellings: Vec<&str> =
                sub.all_options().flat_map(|o| [o.name, o.long]).filter(|s| !s.is_empty()).collect();
            for spelling in &spellings {
                assert_eq!(spellings.iter().filter(|s| *s == spelling).count(), 1, "{name} {spelling}");
            }
            assert_eq!(suite.subcommands.iter().filter(|s| s.name == sub.name).count(), 1, "{name}");
            for needed in sub.needs {
                assert!(sub.options.iter().any(|o| o.name == *needed), "{name} needs {needed}");
            }
            for (call, _) in sub.examples {
                let words = call.split_whitespace().take_while(|w| *w != "|");
                assert_eq!(words.clone().next(), Some(sub.name), "{name}: {call}");
                for word in words.filter(|w| w.len() > 1 && w.starts_with('-')) {
                    let spelled = word.split('=').next().unwrap();
                    let known = |s: &str| sub.all_options().any(|o| o.is(s));
                    let grouped =
                        || !word.starts_with("--") && word.chars().skip(1).all(|c| known(&format!("-{c}")));
                    assert!(known(spelled) || grouped(), "{name}: {word} in {call}");
                }
            }
        }
        for other in suite.see_also {
            assert!(
                tables::find(other).is_some() || tables::find_suite(other).is_some(),
                "{}: see also {other}",
                suite.name
            );
        }
        for link in [suite.name, suite.short] {
            assert!(scadm::LINKS.contains(&link), "there is no link for {link}");
        }
    }
}

#[test]
fn the_helpers_of_agents_explain_the_options_of_their_tables() {
    for name in scha::HELPERS {
        let out = Command::new(env!("CARGO_BIN_EXE_scha")).args([name, "--help"]).output().unwrap();
        assert!(out.status.success(), "{name}");
        let help = String::from_utf8(out.stdout).unwrap();
        let applet = tables::find(name).unwrap();
        for option in applet.all_options() {
            let explained =
                help.lines().any(|line| line.trim_start().split([' ', ',']).any(|w| w == option.name));
            assert!(explained, "{name} {}: {help}", option.name);
        }
    }
}

#[test]
fn tables_hold_together() {
    for applet in tables::ALL {
        let name = applet.name;
        assert!(
            !applet.examples.is_empty() && !applet.forms.is_empty() && !applet.exits.is_empty(),
            "{name}"
        );
        for form in applet.forms {
            for option in form.key.iter().chain(form.needs).chain(form.may) {
                assert!(applet.option(option).is_some(), "{name}: {option} is in a form but no option");
            }
        }
        for option in applet.options {
            assert_eq!(
                applet.options.iter().filter(|o| o.name == option.name).count(),
                1,
                "{name} {}",
                option.name
            );
        }
        for other in applet.see_also {
            let known = tables::find(other).is_some() || tables::find_suite(other).is_some();
            assert!(known, "{name}: see also {other}");
        }
        assert!(examples_use_known_options(applet), "{name}");
    }
}

#[test]
fn every_exit_code_that_a_command_of_ours_explains_exists_and_the_administration_explains_all() {
    let codes: Vec<String> = SchaErr::ALL.iter().map(|e| e.code().to_string()).collect();
    for name in scha::LINKS.iter().chain(&OLDER) {
        for (code, _) in tables::find(name).unwrap().exits {
            assert!(["0", "130"].contains(code) || codes.iter().any(|c| c == code), "{name} {code}");
        }
    }
    let of_the_c_interface = [SchaErr::Handle, SchaErr::Tag, SchaErr::Seqid, SchaErr::Rstatus];
    for code in SchaErr::ALL.iter().filter(|e| !of_the_c_interface.contains(e)) {
        let explained = tables::SCSWITCH.exits.iter().any(|(c, _)| *c == code.code().to_string());
        assert!(explained, "{}", code.symbol());
    }
}

/// Of the words that follow the command in an example, those of the command itself.
fn examples_use_known_options(applet: &'static Applet) -> bool {
    let own = |call: &'static str| {
        call.split_whitespace()
            .skip_while(|w| !w.ends_with(applet.name))
            .skip(1)
            .take_while(|w| !w.starts_with('|'))
    };
    applet.examples.iter().all(|(call, _)| match own(call).find(|w| w.starts_with('-')) {
        Some(word) if word.starts_with("--") => applet.option(word).is_some(),
        Some(word) => applet.option(word.get(..2).unwrap_or(word)).is_some(),
        None => true,
    })
}

#[test]
fn every_manual_page_is_clean_roff_with_the_usual_sections() {
    for applet in tables::ALL {
        let page = man::man_page(applet.name).unwrap();
        for section in ["NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "EXIT STATUS", "EXAMPLES", "SEE ALSO"] {
            assert_eq!(page.matches(&format!("\n.SH {section}\n")).count(), 1, "{}: {section}", applet.name);
        }
        let request = |line: &str| {
            [".TH ", ".SH ", ".TP", ".B ", ".PP", ".nf", ".fi"].iter().any(|r| line.starts_with(r))
        };
        for line in page.lines().filter(|line| line.starts_with(['.', '\''])) {
            assert!(request(line), "{}: {line}", applet.name);
        }
        assert!(page.is_ascii(), "{}", applet.name);
        assert_eq!(man::man_file(applet), format!("{}.{}", applet.name, applet.section));
        if let Some((ok, printed)) = piped("groff", &["-man", "-ww", "-z", "-Tascii"], &page) {
            assert!(ok && printed.is_empty(), "{}: {printed}", applet.name);
        }
    }
    for suite in tables::SUITES {
        let page = man::man_page(suite.name).unwrap();
        for section in ["NAME", "SYNOPSIS", "DESCRIPTION", "SUBCOMMANDS", "EXIT STATUS", "SEE ALSO"] {
            assert_eq!(page.matches(&format!("\n.SH {section}\n")).count(), 1, "{}: {section}", suite.name);
        }
        assert!(page.is_ascii(), "{}", suite.name);
        if let Some((ok, printed)) = piped("groff", &["-man", "-ww", "-z", "-Tascii"], &page) {
            assert!(ok && printed.is_empty(), "{}: {printed}", suite.name);
        }
        if suite.short != suite.name {
            let link = man::man_page(suite.short).unwrap();
            assert!(link.ends_with(&format!("\n.so man8/{}.8\n", suite.name)), "{link}");
            assert_eq!(link.split_whitespace().nth(2), Some("8"), "where the section is looked for");
        }
    }
    assert!(man::man_page("absent").is_none());
    insta::assert_snapshot!("scstat_man", man::man_page("scstat").unwrap());
}

#[test]
fn every_shell_takes_its_completion() {
    for applet in tables::ALL {
        for (shell, check) in Shell::ALL.into_iter().map(|s| (s, ["-n"])) {
            let text = completion(shell, applet.name).unwrap();
            for option in applet.options {
                let spelled = match shell {
                    Shell::Bash | Shell::Zsh => option.name.to_owned(),
                    Shell::Fish => option
                        .name
                        .replacen("--", "-l ", 1)
                        .replacen('-', "-s ", 1)
                        .replacen("-s l ", "-l ", 1),
                };
                assert!(text.contains(&spelled), "{} {}: {spelled}", shell.name(), applet.name);
            }
            if let Some((ok, printed)) = piped(shell.name(), &check, &text) {
                assert!(ok, "{} {}: {printed}", shell.name(), applet.name);
            }
        }
    }
}

#[test]
fn every_shell_takes_the_completion_of_subcommands() {
    for suite in tables::SUITES {
        for (shell, name) in Shell::ALL.into_iter().flat_map(|s| [(s, suite.name), (s, suite.short)]) {
            let text = completion(shell, name).unwrap();
            for sub in suite.subcommands {
                assert!(text.contains(sub.name), "{} {name} {}", shell.name(), sub.name);
                for option in sub.options {
                    let spelled = match shell {
                        Shell::Bash | Shell::Zsh => option.name.to_owned(),
                        Shell::Fish if option.name.starts_with("--") => option.name.replacen("--", "-l ", 1),
                        Shell::Fish => option.name.replacen('-', "-s ", 1),
                    };
                    assert!(text.contains(&spelled), "{} {name} {}: {spelled}", shell.name(), sub.name);
                }
            }
            if let Some((ok, printed)) = piped(shell.name(), &["-n"], &text) {
                assert!(ok, "{} {name}: {printed}", shell.name());
            }
        }
    }
}

#[test]
fn bash_completes_options_words_and_names() {
    for (line, expected) in [
        ("scswitch --d", "--dry-run"),
        ("scswitch -c -f STOP", "STOP_FAILED"),
        ("scswitch -z -g d", "dns-rg db-rg"),
        ("scswitch -z -g db-rg,dn", "db-rg,dns-rg"),
        ("clrt un", "unregister"),
        ("clrt list --j", "--json"),
        ("clresourcetype show db", "db-rg"),
        ("clrt add-node --node db-rg,dn", "db-rg,dns-rg"),
    ] {
        assert_eq!(bash_completes(line), expected, "{line}");
    }
}

/// What bash offers for the last word of a line; there are two objects of every kind.
fn bash_completes(line: &str) -> String {
    let dir = tempfile::tempdir().unwrap();
    let words: Vec<&str> = line.split(' ').collect();
    let script = completion(Shell::Bash, words[0]).unwrap();
    let fake = "scadm() { echo dns-rg; echo db-rg; }";
    let quoted: Vec<String> = words.iter().map(|w| format!("'{w}'")).collect();
    let text = format!(
        "{script}\n{fake}\nCOMP_WORDS=({}); COMP_CWORD={}; _rgm_{}; echo \"${{COMPREPLY[*]}}\"",
        quoted.join(" "),
        words.len() - 1,
        words[0]
    );
    let out = Command::new("bash").current_dir(&dir).args(["-c", &text]).output().unwrap();
    assert!(out.stderr.is_empty(), "{}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).unwrap().trim_end().to_owned()
}
