//! Commands of other packages, which parse their command lines themselves; these tables explain them.
//! `scadm`, the binary that carries the administration, stands here too.

use super::PLACES;
use crate::applet::{Applet, Complete, Form, ONLY_HELP, UNIVERSAL, flag, value};

const SIGNALS: &str = "[SIGNAL]";

/// Process monitor facility.
pub const PMFADM: Applet = Applet {
    name: "pmfadm",
    section: 8,
    summary: "start processes under supervision, and look after them",
    description: &[
        "pmfadm starts a command under a nametag. When the last of its processes is gone, whatever its exit status, it is started again, as often as -n allows within -t. When that is exceeded, the action program decides: if it exits 0, the command is started again; otherwise, or without one, the tag is gone.",
        "The action program is called with two more arguments: failed, and the nametag.",
        "Options may be given in any order before the command.",
    ],
    options: &[
        value("-c", "TAG", Complete::Nothing, "start a command under this tag"),
        value(
            "-n",
            "RETRIES",
            Complete::Nothing,
            "restarts within the period; 0 where not given, -1 for any number",
        ),
        value("-t", "MINUTES", Complete::Nothing, "the period; -1, for ever, where not given"),
        value("-a", "ACTION", Complete::Files, "action program, with its arguments as one word"),
        value(
            "-C",
            "LEVEL",
            Complete::Nothing,
            "watch only children down to this level; 0 is the command itself",
        ),
        value("-e", "VAR=VALUE", Complete::Nothing, "a variable for the command; may be repeated"),
        flag("-E", "hand the whole environment to the command"),
        value("-k", "TAG", Complete::Nothing, "send a signal, KILL where none is given; restarts go on"),
        value("-s", "TAG", Complete::Nothing, "end restarts, and send a signal if one is given"),
        value(
            "-w",
            "SECONDS",
            Complete::Nothing,
            "with -k and -s: wait this long for all processes to end; -1 for ever",
        ),
        value("-m", "TAG", Complete::Nothing, "change retries and period; forgets past failures"),
        value("-q", "TAG", Complete::Nothing, "exit 0 if the tag is supervised, 1 if not"),
        value("-l", "TAG", Complete::Nothing, "describe a tag"),
        flag("-L", "list tags"),
        value("-h", "HOST", Complete::Nothing, "the host to ask; only this one can be asked"),
        flag("--json", "with -l and -L: print JSON"),
    ],
    universal: ONLY_HELP,
    forms: &[
        Form {
            key: &["-c"],
            needs: &[],
            may: &["-a", "-e", "-E", "-n", "-t", "-C"],
            operands: "COMMAND [ARGUMENT...]",
            effect: "Start a command.",
        },
        Form {
            key: &["-k"],
            needs: &[],
            may: &["-w"],
            operands: SIGNALS,
            effect: "Send a signal to all processes of a tag. If they end and retries are left, they are started again.",
        },
        Form {
            key: &["-s"],
            needs: &[],
            may: &["-w"],
            operands: SIGNALS,
            effect: "Do not start a tag again. Its processes get only the signal that is given.",
        },
        Form { key: &["-m"], needs: &[], may: &["-n", "-t"], operands: "", effect: "Change a tag." },
        Form {
            key: &["-q"],
            needs: &[],
            may: &["-h"],
            operands: "",
            effect: "Ask for a tag. Nothing is printed.",
        },
        Form { key: &["-l"], needs: &[], may: &["-h", "--json"], operands: "", effect: "Describe a tag." },
        Form {
            key: &["-L"],
            needs: &[],
            may: &["-h", "--json"],
            operands: "",
            effect: "List the tags of the user, or of everyone for root.",
        },
    ],
    examples: &[
        ("pmfadm -c dns-rg,dns-rs,0.svc -n 2 -t 5 /usr/sbin/named -f", "supervise a daemon"),
        ("pmfadm -s dns-rg,dns-rs,0.svc -w 30 TERM", "end it"),
    ],
    exits: &[
        ("0", "done"),
        ("1", "there is no such tag; with -c there is one already"),
        ("2", "-w has expired"),
        ("3", "the command line can't be understood"),
        ("4", "the tag belongs to someone else"),
        ("5", "pmfd failed or does not answer"),
    ],
    places: PLACES,
    see_also: &["pmfd", "hatimerun"],
};

/// The daemon behind it.
pub const PMFD: Applet = Applet {
    name: "pmfd",
    section: 8,
    summary: "process monitor daemon",
    description: &[
        "pmfd supervises the commands that pmfadm starts. There is one on every node. SIGTERM ends it and leaves its processes running; the next pmfd goes on supervising them, as it does when pmfd was killed.",
        "Where no cgroup v2 can be made, processes are found through /proc.",
    ],
    options: &[
        flag("--no-cgroup", "find processes through /proc, as where no cgroup v2 can be made"),
        flag("--stop-all", "end the running pmfd and every process it supervises"),
    ],
    universal: ONLY_HELP,
    forms: &[
        Form { key: &["--stop-all"], needs: &[], may: &[], operands: "", effect: "End it all." },
        Form {
            key: &[],
            needs: &[],
            may: &["--no-cgroup"],
            operands: "",
            effect: "Supervise, in the foreground.",
        },
    ],
    examples: &[("RGM_RUN_DIR=/tmp/run RGM_STATE_DIR=/tmp/state pmfd", "try it out")],
    exits: &[("0", "ended as asked"), ("other", "it could not start; the reason is on standard error")],
    places: &[
        ("RGM_RUN_DIR", "directory of its socket; /run/rgm where not set"),
        ("RGM_STATE_DIR", "directory of its journal; /var/lib/rgm where not set"),
        ("RGM_NODE", "the node it serves, where one machine carries several: a subdirectory of both"),
        ("RGM_LOG", "what is logged: error, warn, info (where not set) or debug"),
    ],
    see_also: &["pmfadm", "rgmd"],
};

/// The resource group manager.
pub const RGMD: Applet = Applet {
    name: "rgmd",
    section: 8,
    summary: "resource group manager daemon",
    description: &[
        "rgmd decides where resource groups are online, and starts, stops and watches over their resources by calling their methods. There is one on every node; services run under pmfd and are not touched when rgmd ends or is started again.",
        "With --dev-nodes it is a whole cluster of several nodes on this machine, with a pmfd each. SIGINT or SIGTERM takes every group offline and ends all of it; a second signal ends everything at once.",
        "When it is ready it says so on standard output, and to systemd.",
    ],
    options: &[
        value(
            "--dev-nodes",
            "NODE,...",
            Complete::Nothing,
            "be a whole cluster of these nodes on this machine, pmfds included",
        ),
        value("--cluster", "NAME", Complete::Nothing, "name of the cluster, when it is made new"),
        value(
            "--commands",
            "DIR",
            Complete::Files,
            "directory of the commands, first in the PATH of methods",
        ),
        value("--record", "FILE", Complete::Files, "record what goes into the decisions and what comes out"),
        value("--replay", "FILE", Complete::Files, "decide anew what a record says, compare, and end"),
        flag("--check-config", "only check the settings"),
    ],
    universal: UNIVERSAL,
    forms: &[
        Form {
            key: &["--replay"],
            needs: &[],
            may: &["--cluster", "--commands"],
            operands: "",
            effect: "Replay a record.",
        },
        Form { key: &["--check-config"], needs: &[], may: &[], operands: "", effect: "Check the settings." },
        Form {
            key: &[],
            needs: &[],
            may: &["--dev-nodes", "--cluster", "--commands", "--record"],
            operands: "",
            effect: "Run in the foreground.",
        },
    ],
    examples: &[("rgmd --dev-nodes phys-1,phys-2", "a cluster of two nodes to try things on")],
    exits: &[
        ("0", "ended as asked"),
        ("other", "it could not start or go on; the reason is on standard error"),
    ],
    places: &[
        ("RGM_RUN_DIR", "directory of its sockets; /run/rgm where not set"),
        ("RGM_STATE_DIR", "directory of the configuration; /var/lib/rgm where not set"),
        ("RGM_CONFIG", "file of settings; /etc/rgm/rgm.toml where not set"),
        ("RGM_LOG", "what is logged: error, warn, info, debug or trace; as the settings say where not set"),
    ],
    see_also: &["pmfd", "scrgadm", "scswitch", "scstat"],
};

/// Linter of registration files.
pub const RTRCHECK: Applet = Applet {
    name: "rtrcheck",
    section: 1,
    summary: "check and format resource type registration files",
    description: &[
        "rtrcheck reports everything that registration would refuse, all of it in one run, with file, line, column and what to write instead.",
    ],
    options: &[
        flag("--json", "print diagnostics as JSON"),
        flag("--format", "print the file in canonical form"),
    ],
    universal: ONLY_HELP,
    forms: &[
        Form {
            key: &["--format"],
            needs: &[],
            may: &[],
            operands: "FILE...",
            effect: "Print files in canonical form.",
        },
        Form { key: &[], needs: &[], may: &["--json"], operands: "FILE...", effect: "Check files." },
    ],
    examples: &[("rtrcheck samples/SUNW.sample", "check a file before it is registered")],
    exits: &[
        ("0", "nothing to complain of"),
        ("1", "there are errors"),
        ("2", "a file can't be read, or the command line can't be understood"),
    ],
    places: &[],
    see_also: &["scrgadm"],
};

/// The binary itself.
pub const SCADM: Applet = Applet {
    name: "scadm",
    section: 8,
    summary: "the program behind scrgadm, scswitch and scstat",
    description: &[
        "scrgadm, scswitch and scstat are links to scadm, which does what the name says it is called by; scadm scstat is the same as scstat.",
        "By itself it prints the manual pages and the shell completions of all commands.",
    ],
    options: &[],
    universal: UNIVERSAL,
    forms: &[
        Form {
            key: &[],
            needs: &[],
            may: &[],
            operands: "man COMMAND",
            effect: "Print a manual page; scadm man COMMAND | man -l - shows it.",
        },
        Form {
            key: &[],
            needs: &[],
            may: &[],
            operands: "completion bash|zsh|fish COMMAND",
            effect: "Print a shell's completion of a command.",
        },
        Form {
            key: &[],
            needs: &[],
            may: &[],
            operands: "names nodes|groups|resources|types",
            effect: "Print what is configured, for shell completion.",
        },
    ],
    examples: &[
        ("scadm man scswitch | man -l -", "read a manual page"),
        ("eval \"$(scadm completion bash scswitch)\"", "complete scswitch in this shell"),
    ],
    exits: &[
        ("0", "printed"),
        ("3", "there is no such command, shell or kind of name"),
        ("5", "rgmd does not answer"),
    ],
    places: PLACES,
    see_also: &["scrgadm", "scswitch", "scstat"],
};
