//! Shell completion, from the table of a command.
//!
//! Options and fixed words stand in the script; names of configured objects are asked for with
//! `scadm names KIND`, which answers nothing where no daemon runs.

mod subcommands;

use crate::applet::{Applet, Complete, Opt};
use crate::tables;
use std::fmt::Write;

/// A shell that completion is written for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shell {
    /// GNU bash.
    Bash,
    /// zsh.
    Zsh,
    /// fish.
    Fish,
}

impl Shell {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Bash, Self::Zsh, Self::Fish];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bash => "bash",
            Self::Zsh => "zsh",
            Self::Fish => "fish",
        }
    }

    /// The shell of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.name() == name)
    }

    /// The file a shell looks for, in its directory of completions.
    pub fn file(self, applet: &str) -> String {
        match self {
            Self::Bash => applet.to_owned(),
            Self::Zsh => format!("_{applet}"),
            Self::Fish => format!("{applet}.fish"),
        }
    }
}

/// The completion of a command for a shell; `None` if there is no such command.
pub fn completion(shell: Shell, name: &str) -> Option<String> {
    if let Some(suite) = tables::find_suite(name) {
        return Some(match shell {
            Shell::Bash => subcommands::bash(suite, name),
            Shell::Zsh => subcommands::zsh(suite, name),
            Shell::Fish => subcommands::fish(suite, name),
        });
    }
    let applet = tables::find(name)?;
    Some(match shell {
        Shell::Bash => bash(applet),
        Shell::Zsh => zsh(applet),
        Shell::Fish => fish(applet),
    })
}

fn bash(applet: &'static Applet) -> String {
    let mut cases = String::new();
    for option in applet.all_options().filter(|o| !o.value.is_empty()) {
        let _ = writeln!(cases, "        {}) {}; return ;;", option.name, bash_reply(option));
    }
    let names: Vec<&str> = applet.all_options().map(|o| o.name).collect();
    format!(
        "# bash completion for {name}\n\
         _rgm_{name}() {{\n    local cur=${{COMP_WORDS[COMP_CWORD]}} prev=${{COMP_WORDS[COMP_CWORD-1]}}\n    \
         case $prev in\n{cases}    esac\n    \
         if [[ $cur == -* ]]; then COMPREPLY=($(compgen -W '{options}' -- \"$cur\"))\n    \
         else COMPREPLY=($(compgen -f -- \"$cur\")); fi\n}}\n\
         complete -F _rgm_{name} {name}\n",
        name = applet.name,
        options = names.join(" "),
    )
}

/// What is offered for the value of an option.
fn bash_reply(option: &Opt) -> String {
    match option.complete {
        Complete::Nothing => "COMPREPLY=()".to_owned(),
        Complete::Files => "COMPREPLY=($(compgen -f -- \"$cur\"))".to_owned(),
        Complete::Words(words) => format!("COMPREPLY=($(compgen -W '{}' -- \"$cur\"))", words.join(" ")),
        Complete::Names(kind) => bash_names(kind, option),
    }
}

/// Names; in a list, behind what stands before the last comma.
fn bash_names(kind: &str, option: &Opt) -> String {
    if option.value.ends_with(",...") {
        format!(
            "local done=; [[ $cur == *,* ]] && done=${{cur%,*}},; \
             COMPREPLY=($(compgen -P \"$done\" -W \"$(scadm names {kind} 2>/dev/null)\" -- \"${{cur##*,}}\"))"
        )
    } else {
        format!("COMPREPLY=($(compgen -W \"$(scadm names {kind} 2>/dev/null)\" -- \"$cur\"))")
    }
}

fn zsh(applet: &'static Applet) -> String {
    let mut text = format!("#compdef {}\n_arguments -s \\\n", applet.name);
    for option in applet.all_options() {
        let _ = writeln!(text, "  {} \\", zsh_option(option, option.name));
    }
    text.push_str("  '*:: :_default'\n");
    text
}

/// One option, in one of its spellings.
fn zsh_option(option: &Opt, name: &str) -> String {
    let help = option.help.replace('\'', "'\\''").replace('[', "\\[").replace(']', "\\]");
    let value = match option.complete {
        _ if option.value.is_empty() => String::new(),
        Complete::Nothing => format!(":{}: ", zsh_label(option)),
        Complete::Files => format!(":{}:_files", zsh_label(option)),
        Complete::Words(words) => format!(":{}:({})", zsh_label(option), words.join(" ")),
        Complete::Names(kind) if option.value.ends_with(",...") => {
            format!(":{}:_sequence compadd - $(scadm names {kind} 2>/dev/null)", zsh_label(option))
        }
        Complete::Names(kind) => {
            format!(":{}:($(scadm names {kind} 2>/dev/null))", zsh_label(option))
        }
    };
    format!("'*{name}[{help}]{value}'")
}

fn zsh_label(option: &Opt) -> String {
    option.value.to_lowercase().replace(",...", "s").replace(':', "")
}

fn fish(applet: &'static Applet) -> String {
    let mut text = String::new();
    for option in applet.all_options() {
        let _ = writeln!(text, "complete -c {} {}", applet.name, fish_option(option));
    }
    text
}

/// One option, with all its spellings.
fn fish_option(option: &Opt) -> String {
    let mut name = match option.name.strip_prefix("--") {
        Some(long) => format!("-l {long}"),
        None => format!("-s {}", option.name.trim_start_matches('-')),
    };
    if let Some(long) = option.long.strip_prefix("--") {
        name = if option.name == "-?" { format!("-l {long}") } else { format!("{name} -l {long}") };
    }
    let value = match option.complete {
        _ if option.value.is_empty() => String::new(),
        Complete::Nothing => " -x".to_owned(),
        Complete::Files => " -r -F".to_owned(),
        Complete::Words(words) => format!(" -x -a '{}'", words.join(" ")),
        Complete::Names(kind) if option.value.ends_with(",...") => {
            format!(" -x -a '(__fish_append , (scadm names {kind} 2>/dev/null))'")
        }
        Complete::Names(kind) => format!(" -x -a '(scadm names {kind} 2>/dev/null)'"),
    };
    let help = option.help.replace('\\', "\\\\").replace('\'', "\\'");
    format!("{name}{value} -d '{help}'")
}
