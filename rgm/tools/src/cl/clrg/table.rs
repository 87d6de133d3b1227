//! What `clrg` is: its subcommands and their options (reference 7.6).

use crate::applet::{Complete, Opt, flag, value};
use crate::cl::files::{INPUT, OUTPUT};
use crate::suite::{Operands, Subcommand, Suite, any_objects, new_objects, objects};
use crate::tables::{DRY_RUN, JSON, NODES, RESOURCES, TYPES};

/// Resource groups.
pub const CLRG: Suite = Suite {
    name: "clresourcegroup",
    short: "clrg",
    summary: "manage resource groups",
    description: &[
        "A resource group is what is started, stopped and moved as one: the resources of a service. A new group is unmanaged; clrg online -eM brings it to life.",
        "What changes the state of groups returns when that is complete. On a terminal it shows meanwhile which method runs where and for how long; -v does so, line by line, in a pipe. If it is interrupted, the change goes on in the daemon.",
        "+ means all groups that the subcommand applies to. All operands are worked on; the exit code is that of the first failure.",
    ],
    subcommands: &[
        CREATE,
        DELETE,
        SET,
        ADD_NODE,
        REMOVE_NODE,
        MANAGE,
        UNMANAGE,
        ONLINE,
        OFFLINE,
        SWITCH,
        REMASTER,
        RESTART,
        EVACUATE,
        QUIESCE,
        SUSPEND,
        RESUME,
        LIST,
        STATUS,
        SHOW,
        EXPORT,
        EXPLAIN,
    ],
    places: &[],
    see_also: &["clrs", "clrt", "scrgadm", "scswitch", "scstat"],
    of_type: "",
};

/// States that groups can be picked by.
pub const STATES: &[&str] = &[
    "error_stop_failed",
    "not_online",
    "offline",
    "online",
    "online_faulted",
    "pending_offline",
    "pending_online",
    "pending_online_blocked",
    "unmanaged",
];

const SOME: Operands = objects("+ | GROUP...", "groups");
const ANY: Operands = any_objects("+ | GROUP...", "groups");

const fn nodes(help: &'static str) -> Opt {
    value("-n", "NODE,...", NODES, help).or("--node")
}
const PROPERTY: Opt = value(
    "-p",
    "NAME=VALUE",
    Complete::Nothing,
    "a property; may be repeated. The elements of a list are separated by commas; += and -= add and remove elements",
)
.or("--property");
const PROPERTIES: Opt = value("-p", "NAME,...", Complete::Nothing, "only these properties").or("--property");
const MANAGE_TOO: Opt = flag("-M", "manage unmanaged groups first").or("--manage");
const ENABLE_TOO: Opt = flag("-e", "enable all their resources first").or("--enable");
const MONITOR_TOO: Opt = flag("-m", "enable the monitors of all their resources first").or("--monitor");
const KILL: Opt = flag("-k", "kill the methods that run").or("--kill");
const OF_RESOURCE: Opt =
    value("-r", "RESOURCE,...", RESOURCES, "only groups with one of these resources").or("--resource");
const OF_STATE: Opt =
    value("-s", "STATE,...", Complete::Words(STATES), "only groups in one of these states").or("--state");
const OF_TYPE: Opt =
    value("-t", "TYPE,...", TYPES, "only groups with a resource of one of these types").or("--type");
const ON_NODES: Opt = nodes("only what concerns these nodes");

const CREATE: Subcommand = Subcommand {
    name: "create",
    summary: "create unmanaged resource groups",
    description: &["Without -n every node may carry them."],
    options: &[
        flag("-S", "scalable: RG_mode is Scalable, and Maximum_primaries and Desired_primaries, where not given, the number of its nodes")
            .or("--scalable"),
        nodes("the nodes that may carry it, in order of preference"),
        PROPERTY,
        INPUT,
        DRY_RUN,
    ],
    needs: &[],
    operands: new_objects("GROUP..."),
    examples: &[
        ("create -n phys-1,phys-2 dns-rg", "create a group that prefers phys-1"),
        ("create -S -p Desired_primaries=1 web-rg", "create one that may be online on all nodes"),
    ],
    run: super::create,
};
const DELETE: Subcommand = Subcommand {
    name: "delete",
    summary: "delete groups, which must be empty and unmanaged",
    description: &[],
    options: &[
        flag("-F", "take them offline, disable and delete their resources first").or("--force"),
        DRY_RUN,
    ],
    needs: &[],
    operands: SOME,
    examples: &[
        ("delete dns-rg", "delete an empty group"),
        ("delete -F --dry-run dns-rg", "see what deleting it with all that is in it would run"),
    ],
    run: super::delete,
};
const SET: Subcommand = Subcommand {
    name: "set",
    summary: "change properties of groups",
    description: &[],
    options: &[PROPERTY, DRY_RUN],
    needs: &["-p"],
    operands: SOME,
    examples: &[
        ("set -p Failback=TRUE -p Pingpong_interval=600 dns-rg", "change two properties of a group"),
        ("set -p RG_affinities+=++db-rg web-rg", "add an element to a list"),
    ],
    run: super::set,
};
const ADD_NODE: Subcommand = Subcommand {
    name: "add-node",
    summary: "add nodes to the end of the Nodelist of groups",
    description: &[],
    options: &[nodes("the nodes"), DRY_RUN],
    needs: &["-n"],
    operands: SOME,
    examples: &[("add-node -n phys-3 dns-rg", "let another node carry a group")],
    run: super::add_node,
};
const REMOVE_NODE: Subcommand = Subcommand {
    name: "remove-node",
    summary: "remove nodes from the Nodelist of groups",
    description: &[],
    options: &[nodes("the nodes"), DRY_RUN],
    needs: &["-n"],
    operands: SOME,
    examples: &[("remove-node -n phys-3 dns-rg", "let one node less carry a group")],
    run: super::remove_node,
};
const MANAGE: Subcommand = Subcommand {
    name: "manage",
    summary: "make groups managed; they stay offline",
    description: &[],
    options: &[DRY_RUN],
    needs: &[],
    operands: SOME,
    examples: &[("manage dns-rg", "make a group managed")],
    run: super::manage,
};
const UNMANAGE: Subcommand = Subcommand {
    name: "unmanage",
    summary: "make groups unmanaged, which must be offline and their resources disabled",
    description: &[],
    options: &[DRY_RUN],
    needs: &[],
    operands: SOME,
    examples: &[("unmanage dns-rg", "make a group unmanaged")],
    run: super::unmanage,
};
const ONLINE: Subcommand = Subcommand {
    name: "online",
    summary: "bring groups online",
    description: &[
        "With -n on those nodes, in addition to where they are; without, on those that the usual rules prefer.",
    ],
    options: &[ENABLE_TOO, MONITOR_TOO, MANAGE_TOO, nodes("the nodes"), DRY_RUN],
    needs: &[],
    operands: SOME,
    examples: &[
        ("online -eM dns-rg", "manage a new group, enable its resources and bring it online"),
        ("online +", "bring every managed group online"),
    ],
    run: super::online,
};
const OFFLINE: Subcommand = Subcommand {
    name: "offline",
    summary: "take groups offline; they stay managed",
    description: &[
        "A boot of the cluster may start them again: clrg suspend and clrg unmanage prevent that.",
    ],
    options: &[nodes("only on these nodes"), DRY_RUN],
    needs: &[],
    operands: SOME,
    examples: &[
        ("offline dns-rg", "take a group offline everywhere"),
        ("offline -n phys-1 +", "take all groups off a node"),
    ],
    run: super::offline,
};
const SWITCH: Subcommand = Subcommand {
    name: "switch",
    summary: "bring groups online on exactly these nodes",
    description: &[],
    options: &[ENABLE_TOO, MONITOR_TOO, MANAGE_TOO, nodes("the nodes"), DRY_RUN],
    needs: &["-n"],
    operands: SOME,
    examples: &[("switch -n phys-2 dns-rg", "move a group to phys-2")],
    run: super::switch,
};
const REMASTER: Subcommand = Subcommand {
    name: "remaster",
    summary: "bring groups to the nodes they prefer",
    description: &[],
    options: &[DRY_RUN],
    needs: &[],
    operands: SOME,
    examples: &[("remaster +", "after a repair, bring everything where it belongs")],
    run: super::remaster,
};
const RESTART: Subcommand = Subcommand {
    name: "restart",
    summary: "stop groups and start them again where they are",
    description: &[],
    options: &[nodes("only on these nodes"), DRY_RUN],
    needs: &[],
    operands: SOME,
    examples: &[("restart dns-rg", "restart a group wherever it is online")],
    run: super::restart,
};
const EVACUATE: Subcommand = Subcommand {
    name: "evacuate",
    summary: "move all groups off nodes and keep them off for a while",
    description: &[],
    options: &[
        nodes("the nodes"),
        value(
            "-T",
            "SECONDS",
            Complete::Nothing,
            "how long nothing is started there by itself; 0 to 65535, 60 where not given",
        )
        .or("--time"),
        DRY_RUN,
    ],
    needs: &["-n"],
    operands: Operands { shown: "+", optional: false, complete: Complete::Nothing },
    examples: &[("evacuate -n phys-1 -T 300 +", "empty phys-1 for five minutes of work")],
    run: super::evacuate,
};
const QUIESCE: Subcommand = Subcommand {
    name: "quiesce",
    summary: "let groups come to rest: end repeated attempts to recover",
    description: &[],
    options: &[KILL, DRY_RUN],
    needs: &[],
    operands: SOME,
    examples: &[("quiesce -k dns-rg", "let a group come to rest at once")],
    run: super::quiesce,
};
const SUSPEND: Subcommand = Subcommand {
    name: "suspend",
    summary: "suspend automatic recovery of groups",
    description: &["Until clrg resume nothing restarts them or moves them but an operator."],
    options: &[KILL, DRY_RUN],
    needs: &[],
    operands: SOME,
    examples: &[("suspend dns-rg", "work on a service by hand")],
    run: super::suspend,
};
const RESUME: Subcommand = Subcommand {
    name: "resume",
    summary: "resume automatic recovery of groups",
    description: &[],
    options: &[DRY_RUN],
    needs: &[],
    operands: SOME,
    examples: &[("resume +", "let the manager care for everything again")],
    run: super::resume,
};
const LIST: Subcommand = Subcommand {
    name: "list",
    summary: "print the names of groups",
    description: &["-v also prints the mode of each, and its state over all nodes."],
    options: &[ON_NODES, OF_RESOURCE, OF_STATE, OF_TYPE, JSON],
    needs: &[],
    operands: ANY,
    examples: &[
        ("list", "print all"),
        ("list -v -s not_online", "print those that are not online, and what they are instead"),
    ],
    run: super::list,
};
const STATUS: Subcommand = Subcommand {
    name: "status",
    summary: "print the state of groups on each of their nodes",
    description: &[
        "-s picks by state: offline is offline on every node, online on any, not_online on none; the others are a group's state on any node.",
    ],
    options: &[ON_NODES, OF_RESOURCE, OF_STATE, OF_TYPE, JSON],
    needs: &[],
    operands: ANY,
    examples: &[("status", "print all"), ("status -n phys-1 -s online", "print what runs on phys-1")],
    run: super::status,
};
const SHOW: Subcommand = Subcommand {
    name: "show",
    summary: "print how groups and their resources are configured",
    description: &["-v prints every property. With -p only those named, and no resources."],
    options: &[ON_NODES, PROPERTIES, OF_RESOURCE, OF_STATE, OF_TYPE, JSON],
    needs: &[],
    operands: ANY,
    examples: &[
        ("show dns-rg", "print a group"),
        ("show -p Nodelist,Failback +", "print two properties of all"),
    ],
    run: super::show,
};
const EXPLAIN: Subcommand = Subcommand {
    name: "explain",
    summary: "say why groups are where they are, and what can be done",
    description: &[
        "For each node the rule that takes it or passes it over; what led here; what is waited for, and for how long still; commands that help.",
    ],
    options: &[JSON],
    needs: &[],
    operands: objects("+ | GROUP...", "groups"),
    examples: &[("explain dns-rg", "ask why a group is where it is")],
    run: super::explain,
};
const EXPORT: Subcommand = Subcommand {
    name: "export",
    summary: "print groups without their resources, as XML",
    description: &[],
    options: &[OUTPUT],
    needs: &[],
    operands: ANY,
    examples: &[("export -o groups.xml", "write all to a file")],
    run: super::export,
};
