//! The small programs that shell agents call (reference 8.9, 8.10). They parse their command lines
//! themselves, in the package `methods`; these tables explain them.

use crate::applet::{Applet, Complete, Form, ONLY_HELP, flag, value};

const SIGNALS: Complete =
    Complete::Words(&["HUP", "INT", "QUIT", "ABRT", "KILL", "USR1", "USR2", "ALRM", "TERM"]);

/// Time limit.
pub const HATIMERUN: Applet = Applet {
    name: "hatimerun",
    section: 1,
    summary: "run a program under a time limit",
    description: &[
        "hatimerun runs a program in a process group of its own. When the time is up it kills the group and exits 99; otherwise it exits as the program does.",
        "A SIGTERM to hatimerun kills the program as a timeout does, and hatimerun exits 98.",
    ],
    options: &[
        value("-t", "SECONDS", Complete::Nothing, "the limit"),
        flag("-a", "when the time is up do not kill: leave the program running and exit 99"),
        value("-k", "SIGNAL", SIGNALS, "kill with this signal, a name or a number; KILL where not given"),
        value("-e", "CODE", Complete::Nothing, "exit with this code instead of 99"),
        flag("-d", "start the clock when the program really runs"),
        value(
            "-x",
            "PERCENT",
            Complete::Nothing,
            "say on standard error if the program used more than this part of its time",
        ),
        flag("-v", "say on standard error what happens"),
    ],
    universal: ONLY_HELP,
    forms: &[
        Form {
            key: &["-t"],
            needs: &[],
            may: &["-k", "-e", "-x", "-d", "-v"],
            operands: "PROGRAM [ARGUMENT...]",
            effect: "Kill the program when the time is up.",
        },
        Form {
            key: &["-t", "-a"],
            needs: &[],
            may: &["-e", "-x", "-d", "-v"],
            operands: "PROGRAM [ARGUMENT...]",
            effect: "Leave the program alone when the time is up.",
        },
    ],
    examples: &[("hatimerun -t 30 -k TERM dig @127.0.0.2 example.com", "give a query half a minute")],
    exits: &[
        ("99", "the time was up (another code with -e)"),
        ("98", "hatimerun itself failed, or was ended by SIGTERM"),
        ("other", "the exit code of the program"),
    ],
    places: &[],
    see_also: &["halockrun", "pmfadm", "scha_control"],
};

/// Lock.
pub const HALOCKRUN: Applet = Applet {
    name: "halockrun",
    section: 1,
    summary: "run a program while holding a lock",
    description: &[
        "halockrun locks a file as a whole, made if it is missing, runs the program, and exits as it does. The lock ends with halockrun, in whatever way that ends.",
    ],
    options: &[
        flag("-n", "do not wait for the lock: if it is taken, exit 1"),
        flag("-s", "a shared lock instead of an exclusive one"),
        value("-e", "CODE", Complete::Nothing, "exit with this code instead of 99"),
        flag("-v", "say on standard error what happens"),
    ],
    universal: ONLY_HELP,
    forms: &[Form {
        key: &[],
        needs: &[],
        may: &["-n", "-s", "-v", "-e"],
        operands: "LOCKFILE PROGRAM [ARGUMENT...]",
        effect: "Run the program under the lock.",
    }],
    examples: &[("halockrun /var/run/dns.lock dns_update", "let no two updates run at once")],
    exits: &[
        ("1", "with -n: the lock is taken"),
        ("99", "halockrun itself failed (another code with -e)"),
        ("other", "the exit code of the program"),
    ],
    places: &[],
    see_also: &["hatimerun"],
};

/// Log.
pub const SCDS_SYSLOG: Applet = Applet {
    name: "scds_syslog",
    section: 1,
    summary: "write a line to the system log, as data services do",
    description: &[
        "scds_syslog formats a message as printf does and writes it to the system log, or to standard error where there is none.",
    ],
    options: &[
        value(
            "-p",
            "PRIORITY",
            Complete::Words(&["debug", "info", "notice", "warning", "err", "crit", "alert", "emerg"]),
            "priority, also as FACILITY.PRIORITY; daemon.notice where not given",
        ),
        value("-t", "TAG", Complete::Nothing, "tag in front of the message"),
        value("-m", "MESSAGE", Complete::Nothing, "the message"),
    ],
    universal: ONLY_HELP,
    forms: &[Form {
        key: &[],
        needs: &["-m"],
        may: &["-p", "-t"],
        operands: "[ARGUMENT...]",
        effect: "Write the message, its arguments filled in.",
    }],
    examples: &[(
        "scds_syslog -p err -t \"[SUNW.sample,dns-rg,dns-rs]\" -m \"%s is missing\" named.conf",
        "log an error",
    )],
    exits: &[("0", "written"), ("1", "the command line can't be understood")],
    places: &[],
    see_also: &["scha_cluster_get"],
};
