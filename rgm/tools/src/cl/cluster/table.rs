//! What `cluster` is: its subcommands and their options (reference 7.8).

use crate::applet::{Complete, Opt, flag, value};
use crate::cl::files::{INPUT, OUTPUT};
use crate::suite::{NO_OPERANDS, Operands, Subcommand, Suite};
use crate::tables::{DRY_RUN, JSON};

/// The cluster as a whole.
pub const CLUSTER: Suite = Suite {
    name: "cluster",
    short: "cluster",
    summary: "manage the cluster as a whole",
    description: &[
        "Status and configuration of everything, its event log, its configuration in files, and its end.",
    ],
    subcommands: &[
        STATUS,
        SHOW,
        EVENTS,
        APPLY,
        CHECK,
        LIST_CHECKS,
        EXPORT,
        CREATE,
        LEAVE,
        JOIN,
        SET,
        CERT,
        LIST,
        LIST_CMDS,
        SHUTDOWN,
        RENAME,
        MONITOR_HEARTBEAT,
        SHOW_NETPROPS,
        SET_NETPROPS,
        RESTORE_NETPROPS,
    ],
    places: &[],
    see_also: &["clnode", "clquorum", "clrg", "clrs", "clrt"],
    of_type: "",
};

const TYPES: Opt = value(
    "-t",
    "KIND,...",
    Complete::Words(&["node", "resourcetype", "resourcegroup", "resource"]),
    "only these: node, resourcetype (rt), resourcegroup (rg), resource (rs)",
)
.or("--type");
const TYPES_WITH_STATE: Opt = value(
    "-t",
    "KIND,...",
    Complete::Words(&["node", "quorum", "resourcegroup", "resource"]),
    "only these: node, quorum, resourcegroup (rg), resource (rs)",
)
.or("--type");
const PROPERTY: Opt =
    value("-p", "NAME=VALUE", Complete::Nothing, "a property; may be repeated").or("--property");
const FILE: Operands = Operands { shown: "FILE", optional: false, complete: Complete::Files };
const ANY: Operands = Operands { shown: "NAME...", optional: true, complete: Complete::Nothing };

const STATUS: Subcommand = Subcommand {
    name: "status",
    summary: "print the state of nodes, groups and resources",
    description: &[
        "On many machines also what clquorum status prints: members, links, etcd; that much also where no president is there to tell the rest.",
    ],
    options: &[TYPES_WITH_STATE, JSON],
    needs: &[],
    operands: NO_OPERANDS,
    examples: &[("status", "print all"), ("status -t rg,rs", "print groups and resources only")],
    run: super::status::run,
};
const SHOW: Subcommand = Subcommand {
    name: "show",
    summary: "print the configuration",
    description: &["-t global prints the cluster properties only; -v prints all properties of everything."],
    options: &[TYPES, JSON],
    examples: &[("show -t global", "print the cluster properties")],
    run: super::show,
    ..STATUS
};
const EVENTS: Subcommand = Subcommand {
    name: "events",
    summary: "print the event log: every decision with its cause, and every run of a method",
    description: &[
        "A line has a number, a time, how much it matters, what happened, and in parentheses the event that led to it and the rule that applied. A number that is missing belongs to a line that could not be written; the next line says so.",
        "--about prints what names an object: in the text or the cause, as a word of its own.",
    ],
    options: &[
        flag("-f", "go on with those to come; a daemon that goes away is waited for").or("--follow"),
        value("--about", "NAME", Complete::Nothing, "only what names this object"),
        value("--since", "TIME", Complete::Nothing, "only what is not older: 10m, or 2026-11-22T07:30:00Z"),
        value("-n", "LINES", Complete::Nothing, "only the last so many").or("--lines"),
        flag("--json", "print JSON, an object a line"),
    ],
    needs: &[],
    operands: NO_OPERANDS,
    examples: &[
        ("events -n 20", "print the last 20"),
        ("events --about dns-rg --since 1h", "print what happened to a group in the last hour"),
        ("events -f", "watch"),
    ],
    run: super::tell_events,
};
const APPLY: Subcommand = Subcommand {
    name: "apply",
    summary: "make the cluster as a file declares it, as one operation",
    description: &[
        "The file is TOML: types, groups with their resources, load limits and lasting attributes of nodes, cluster properties. What differs is printed: + is made, ~ is changed, - goes. It is carried out in a safe order as one operation; what need not stop is not stopped. If nothing differs, nothing is done.",
        "What the file does not name is left as it is, but for --prune.",
    ],
    options: &[
        DRY_RUN,
        flag(
            "--prune",
            "delete what the file does not name: groups, other resources of named groups, load limits and lasting attributes of named nodes, types without resources",
        ),
    ],
    needs: &[],
    operands: FILE,
    examples: &[
        ("apply --dry-run site.toml", "print what differs, and which methods would run"),
        ("apply site.toml", "carry it out"),
    ],
    run: super::apply,
};
const CHECK: Subcommand = Subcommand {
    name: "check",
    summary: "look for what of the configuration will not work when it is needed",
    description: &["It ends with 9 if something critical is found."],
    options: &[value("-C", "CHECK,...", Complete::Nothing, "only these checks").or("--checks"), JSON],
    needs: &[],
    operands: NO_OPERANDS,
    examples: &[("check", "check all")],
    run: super::check_configuration,
};
const LIST_CHECKS: Subcommand = Subcommand {
    name: "list-checks",
    summary: "print the checks there are",
    description: &["-v also prints what each of them looks at."],
    options: &[],
    needs: &[],
    operands: NO_OPERANDS,
    examples: &[("list-checks -v", "print them and what they look at")],
    run: super::list_checks,
};
const EXPORT: Subcommand = Subcommand {
    name: "export",
    summary: "print the whole configuration as XML",
    description: &["Types are in it whole: the cluster can be made again from the file alone."],
    options: &[OUTPUT],
    needs: &[],
    operands: NO_OPERANDS,
    examples: &[("export -o site.xml", "write it to a file")],
    run: super::export,
};
const CREATE: Subcommand = Subcommand {
    name: "create",
    summary: "make a cluster of many machines, or what an exported file describes",
    description: &[
        "With -n, the cluster that rgm.toml names is made in the etcd that it names; each of its nodes waits for that when its rgmd is started. With -s it gets the whole configuration of a cluster on one machine, whose rgmd must have ended.",
        "With -i, what the file describes is made in a cluster where nothing of it is. It is one operation. Groups that were managed are managed, and offline.",
    ],
    options: &[
        value("-n", "NODE,...", Complete::Nothing, "make a cluster of these nodes, in etcd").or("--nodes"),
        value("-s", "FILE", Complete::Files, "with -n: the store of a cluster on one machine to begin with")
            .or("--store"),
        INPUT,
        DRY_RUN,
    ],
    needs: &[],
    operands: ANY,
    examples: &[
        ("create -n phys-1,phys-2,phys-3", "make a cluster of three machines"),
        ("create -n phys-1,phys-2 -s /var/lib/rgm/ccr.redb", "let a cluster on one machine grow"),
        ("create -i site.xml", "make a cluster again"),
    ],
    run: super::create,
};
const LEAVE: Subcommand = Subcommand {
    name: "leave",
    summary: "take this machine out of a cluster of many machines, in good order",
    description: &[
        "All groups are moved off this node, as clnode evacuate does; what can run nowhere else goes offline. Then the node says good-bye: it counts as dead at once, nobody waits for its lease, no fence device is asked, a watchdog is put to sleep. It stays configured, and outside, also after a boot, until cluster join; rgmd and pmfd may be ended meanwhile.",
        "It is refused while etcd does not answer, and where something could not be stopped. While a node is outside there is no fail-safe mode, which takes every configured node: clnode remove a node that will not come back.",
    ],
    options: &[flag("-F", "also if no other node is there to take over").or("--force"), DRY_RUN],
    needs: &[],
    operands: NO_OPERANDS,
    examples: &[
        ("leave --dry-run", "print what would be stopped, and started elsewhere"),
        ("leave", "before work on this machine that may take long"),
    ],
    run: super::member::leave,
};
const JOIN: Subcommand = Subcommand {
    name: "join",
    summary: "let this machine be a member again, after cluster leave",
    description: &[
        "It waits until the node is a member, and says what keeps it: etcd that does not answer, a node that is not configured (clnode add on another one). A new machine needs no such command: its rgmd joins by itself.",
    ],
    options: &[DRY_RUN],
    examples: &[("join", "come back")],
    run: super::member::join,
    ..LEAVE
};
const SET: Subcommand = Subcommand {
    name: "set",
    summary: "change properties of the cluster",
    description: &[],
    options: &[PROPERTY, DRY_RUN],
    needs: &["-p"],
    operands: ANY,
    examples: &[("set -p Concentrate_load=TRUE", "fill nodes one after the other")],
    run: super::set,
};
const CERT: Subcommand = Subcommand {
    name: "cert",
    summary: "make and show the certificates that nodes of several machines know each other by",
    description: &[
        "init makes the certificate authority of a cluster: ca.crt and ca.key. issue makes the certificate and the key of a node: NODE.crt and NODE.key. A node needs ca.crt and its own two files; ca.key is only needed to issue. show prints what the certificates in a file say.",
        "An authority and a key are never overwritten. For a node that has a key, issue makes a new certificate of the same key and, if no --host is given, the same hosts; daemons take it without a restart.",
    ],
    options: &[
        value("-c", "CLUSTER", Complete::Nothing, "init: name of the cluster").or("--cluster"),
        value("-n", "NODE", Complete::Names("nodes"), "issue: name of the node").or("--node"),
        value(
            "--host",
            "HOST,...",
            Complete::Nothing,
            "issue: a host name or IP address of it, for other programs such as etcd; may be repeated",
        ),
        value("--days", "DAYS", Complete::Nothing, "issue: how long it is valid; 1095 if not given"),
        value("-d", "DIR", Complete::Files, "directory of the files; /etc/rgm/tls if not given")
            .or("--directory"),
        flag("--dry-run", "say what would be written, and write nothing"),
        JSON,
    ],
    needs: &[],
    operands: Operands { shown: "init|issue|show FILE", optional: false, complete: Complete::Files },
    examples: &[
        ("cert init -c planets", "make the authority of a cluster"),
        ("cert issue -n n1 --host 10.0.0.1", "make certificate and key of a node"),
        ("cert show /etc/rgm/tls/n1.crt", "print what a certificate says, and how long it is valid"),
    ],
    run: super::certificates,
};
const LIST: Subcommand = Subcommand {
    name: "list",
    summary: "print the name of the cluster",
    description: &[],
    options: &[],
    needs: &[],
    operands: ANY,
    examples: &[("list", "print it")],
    run: super::list,
};
const LIST_CMDS: Subcommand = Subcommand {
    name: "list-cmds",
    summary: "print the commands there are",
    description: &["-v also prints what each of them is for."],
    operands: NO_OPERANDS,
    examples: &[("list-cmds -v", "print them and what they are for")],
    run: super::list_cmds,
    ..LIST
};
const SHUTDOWN: Subcommand = Subcommand {
    name: "shutdown",
    summary: "take every group offline and end the daemon of this machine",
    description: &["With a cluster of several nodes on one machine, that ends the cluster."],
    options: &[
        flag("-y", "do not ask").or("--yes"),
        value("-g", "SECONDS", Complete::Nothing, "wait so long before it begins; 60 if not given")
            .or("--graceperiod"),
        value("-m", "MESSAGE", Complete::Nothing, "what to say before").or("--message"),
    ],
    needs: &[],
    operands: ANY,
    examples: &[("shutdown -y -g 0", "end the cluster at once")],
    run: super::shut_down,
};
const RENAME: Subcommand = Subcommand {
    name: "rename",
    summary: "refused: a cluster keeps the name it was made with",
    description: &[],
    options: &[value("-c", "NAME", Complete::Nothing, "the new name").or("--newclustername")],
    needs: &[],
    operands: ANY,
    examples: &[],
    run: super::no_rename,
};
const MONITOR_HEARTBEAT: Subcommand = Subcommand {
    name: "monitor-heartbeat",
    summary: "refused: there are no heartbeats between nodes on one machine",
    options: &[],
    run: super::no_heartbeat,
    ..RENAME
};
const SHOW_NETPROPS: Subcommand = Subcommand {
    name: "show-netprops",
    summary: "refused: there is no private network between nodes on one machine",
    options: &[PROPERTY],
    run: super::no_netprops,
    ..RENAME
};
const SET_NETPROPS: Subcommand = Subcommand { name: "set-netprops", ..SHOW_NETPROPS };
const RESTORE_NETPROPS: Subcommand = Subcommand { name: "restore-netprops", ..SHOW_NETPROPS };
