//! Completion of commands with subcommands: first the subcommand, then its options and operands.

use super::{bash_reply, fish_option, zsh_option};
use crate::applet::{Complete, Opt};
use crate::suite::{Subcommand, Suite};
use std::fmt::Write;

/// For bash.
pub fn bash(suite: &'static Suite, name: &str) -> String {
    let words: Vec<&str> = suite.subcommands.iter().map(|s| s.name).collect();
    let cases: String = suite.subcommands.iter().map(bash_case).collect();
    format!(
        "# bash completion for {name}\n\
         _rgm_{name}() {{\n    local cur=${{COMP_WORDS[COMP_CWORD]}} prev=${{COMP_WORDS[COMP_CWORD-1]}} options operands\n    \
         if (( COMP_CWORD == 1 )); then COMPREPLY=($(compgen -W '{words} --help --version' -- \"$cur\")); return; fi\n    \
         case ${{COMP_WORDS[1]}} in\n{cases}    esac\n    \
         if [[ $cur == -* ]]; then COMPREPLY=($(compgen -W \"$options\" -- \"$cur\"))\n    \
         elif [[ $operands ]]; then COMPREPLY=($(compgen -W \"+ $(scadm names $operands 2>/dev/null)\" -- \"$cur\"))\n    \
         else COMPREPLY=(); fi\n}}\n\
         complete -F _rgm_{name} {name}\n",
        words = words.join(" "),
    )
}

fn bash_case(subcommand: &Subcommand) -> String {
    let mut values = String::new();
    for option in subcommand.all_options().filter(|o| !o.value.is_empty()) {
        let _ = writeln!(values, "            {}) {}; return ;;", spellings(option, "|"), bash_reply(option));
    }
    let options: Vec<String> = subcommand.all_options().map(|o| spellings(o, " ")).collect();
    let operands = match subcommand.operands.complete {
        Complete::Names(kind) => kind,
        Complete::Nothing | Complete::Words(_) | Complete::Files => "",
    };
    format!(
        "        {}) options='{}' operands={operands}\n            case $prev in\n{values}            esac ;;\n",
        subcommand.name,
        options.join(" "),
    )
}

/// Both names of an option. `-?` would be a pattern.
fn spellings(option: &Opt, between: &str) -> String {
    match (option.name, option.long) {
        ("-?", long) => long.to_owned(),
        (name, "") => name.to_owned(),
        (name, long) => format!("{name}{between}{long}"),
    }
}

/// For zsh.
pub fn zsh(suite: &'static Suite, name: &str) -> String {
    let mut text = format!("#compdef {name}\nif (( CURRENT == 2 )); then\n  local -a subcommands=(\n");
    for subcommand in suite.subcommands {
        let summary = subcommand.summary.replace('\'', "'\\''").replace(':', "\\:");
        let _ = writeln!(text, "    '{}:{summary}'", subcommand.name);
    }
    text.push_str("  )\n  _describe subcommand subcommands\n  return\nfi\n");
    text.push_str("local subcommand=$words[2]\nshift words\n(( CURRENT-- ))\ncase $subcommand in\n");
    for subcommand in suite.subcommands {
        let _ = writeln!(text, "{}) _arguments -s \\", subcommand.name);
        for option in subcommand.all_options() {
            if option.name != "-?" {
                let _ = writeln!(text, "  {} \\", zsh_option(option, option.name));
            }
            if !option.long.is_empty() {
                let long = if option.value.is_empty() {
                    option.long.to_owned()
                } else {
                    format!("{}=", option.long)
                };
                let _ = writeln!(text, "  {} \\", zsh_option(option, &long));
            }
        }
        match subcommand.operands.complete {
            Complete::Names(kind) => {
                let _ = writeln!(text, "  '*:{kind}:(+ $(scadm names {kind} 2>/dev/null))' ;;");
            }
            Complete::Nothing | Complete::Words(_) | Complete::Files => text.push_str("  '*: :' ;;\n"),
        }
    }
    text.push_str("esac\n");
    text
}

/// For fish.
pub fn fish(suite: &'static Suite, name: &str) -> String {
    let mut text = format!("complete -c {name} -f\n");
    for subcommand in suite.subcommands {
        let summary = subcommand.summary.replace('\\', "\\\\").replace('\'', "\\'");
        let _ = writeln!(
            text,
            "complete -c {name} -n '__fish_use_subcommand' -a {} -d '{summary}'",
            subcommand.name
        );
        let when = format!("-n '__fish_seen_subcommand_from {}'", subcommand.name);
        for option in subcommand.all_options() {
            let _ = writeln!(text, "complete -c {name} {when} {}", fish_option(option));
        }
        if let Complete::Names(kind) = subcommand.operands.complete {
            let _ = writeln!(text, "complete -c {name} {when} -a '+ (scadm names {kind} 2>/dev/null)'");
        }
    }
    text
}
