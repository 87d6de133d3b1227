//! What `clrs`, `clrslh` and `clrssa` are: their subcommands and options (reference 7.7).

use crate::applet::{Complete, Opt, flag, value};
use crate::cl::files::{INPUT, OUTPUT};
use crate::suite::{Operands, Subcommand, Suite, any_objects, new_objects, objects};
use crate::tables::{DRY_RUN, GROUPS, JSON, NODES, TYPES};

/// Resources.
pub const CLRS: Suite = Suite {
    name: "clresource",
    short: "clrs",
    summary: "manage resources",
    description: &[
        "A resource is one service, address or file system: an instance of a resource type in a resource group. Its group decides where it runs.",
        "What changes the state of resources returns when that is complete. On a terminal it shows meanwhile which method runs where and for how long; -v does so, line by line, in a pipe. If it is interrupted, the change goes on in the daemon.",
        "+ means all resources, as far as -g and -t take them. All operands are worked on; the exit code is that of the first failure.",
    ],
    subcommands: &[
        CREATE, DELETE, ENABLE, DISABLE, MONITOR, UNMONITOR, SET, CLEAR, LIST, LIST_PROPS, STATUS, SHOW,
        EXPORT, EXPLAIN,
    ],
    places: &[],
    see_also: &["clrg", "clrt", "clrslh", "scrgadm", "scswitch", "scstat"],
    of_type: "",
};

/// Logical hostnames.
pub const CLRSLH: Suite = Suite {
    name: "clreslogicalhostname",
    short: "clrslh",
    summary: "manage logical hostnames: addresses that move with a resource group",
    description: &[
        "A logical hostname is a resource of the type SUNW.LogicalHostname: where its group is online, the addresses of its host names are up. The type is registered by itself when the first one is created.",
        "All else is as with clrs, whose subcommands these are, for resources of this type only.",
    ],
    subcommands: &[
        CREATE_HOSTNAME,
        DELETE.with_examples(&[("delete -F dns-lh", "delete a logical hostname that may be in use")]),
        ENABLE.with_examples(&[("enable dns-lh", "enable a logical hostname")]),
        DISABLE.with_examples(&[("disable dns-lh", "take its addresses down and keep them down")]),
        MONITOR.with_examples(&[("monitor +", "watch all logical hostnames")]),
        UNMONITOR.with_examples(&[("unmonitor dns-lh", "stop watching a logical hostname")]),
        SET.with_examples(&[("set -p CheckNameService=FALSE dns-lh", "change a property")]),
        CLEAR.with_examples(&[("clear -n phys-1 dns-lh", "clear one that could not be taken down")]),
        LIST.with_examples(&[("list", "print the names of all")]),
        LIST_PROPS.with_examples(&[("list-props -v", "print what can be set, and what it is for")]),
        STATUS.with_examples(&[("status", "print where each is up")]),
        SHOW.with_examples(&[("show -v dns-lh", "print all about one")]),
        EXPORT.with_examples(&[("export -o hostnames.xml", "write all to a file")]),
        EXPLAIN.with_examples(&[("explain dns-lh", "ask why one is where it is")]),
    ],
    places: &[],
    see_also: &["clrs", "clrg", "scrgadm"],
    of_type: "SUNW.LogicalHostname",
};

/// Shared addresses, which do not exist here.
pub const CLRSSA: Suite = Suite {
    name: "clressharedaddress",
    short: "clrssa",
    summary: "manage shared addresses: refused, there are none on Linux",
    description: &[
        "A shared address spreads the connections of one address over several nodes. Nothing does that here: every subcommand is refused. Use a logical hostname (clrslh) for a service on one node at a time, or a load balancer before a scalable one.",
    ],
    subcommands: &[
        refused("create"),
        refused("delete"),
        refused("enable"),
        refused("disable"),
        refused("monitor"),
        refused("unmonitor"),
        refused("set"),
        refused("clear"),
        refused("list"),
        refused("list-props"),
        refused("status"),
        refused("show"),
        refused("export"),
    ],
    places: &[],
    see_also: &["clrslh", "clrs"],
    of_type: "SUNW.SharedAddress",
};

const fn refused(name: &'static str) -> Subcommand {
    Subcommand {
        name,
        summary: "refused: there are no shared addresses on Linux",
        description: &[],
        options: REFUSED_OPTIONS,
        needs: &[],
        operands: ANY,
        examples: &[],
        run: super::no_shared_address,
    }
}

/// Whatever an old script gives: it is told that there are none, not that it is misspelt.
const REFUSED_OPTIONS: &[Opt] = &[
    OF_GROUP,
    OF_TYPE,
    OF_STATE,
    nodes("nodes"),
    value("-h", "HOST,...", Complete::Nothing, "host names").or("--logicalhost"),
    value("-N", "NETIF@NODE,...", Complete::Nothing, "network interfaces").or("--netiflist"),
    value("-X", "NODE,...", NODES, "auxiliary nodes").or("--auxnode"),
    PROPERTY,
    EXTENSION,
    STANDARD,
    flag("-d", "leave it disabled").or("--disable"),
    flag("-F", "by force").or("--force"),
    flag("-R", "recursively").or("--recursive"),
];

/// States that resources can be picked by.
pub const STATES: &[&str] = &[
    "degraded",
    "detached",
    "faulted",
    "monitor_failed",
    "not_online",
    "offline",
    "online",
    "online_not_monitored",
    "start_failed",
    "stop_failed",
    "unknown",
];

const SOME: Operands = objects("+ | RESOURCE...", "resources");
const ANY: Operands = any_objects("+ | RESOURCE...", "resources");

const fn nodes(help: &'static str) -> Opt {
    value("-n", "NODE,...", NODES, help).or("--node")
}
const OF_GROUP: Opt =
    value("-g", "GROUP,...", GROUPS, "only resources of these groups").or("--resourcegroup");
const OF_TYPE: Opt = value("-t", "TYPE,...", TYPES, "only resources of these types").or("--type");
const OF_STATE: Opt =
    value("-s", "STATE,...", Complete::Words(STATES), "only resources in one of these states").or("--state");
const ON_NODES: Opt = nodes("only what concerns these nodes");
const PROPERTY: Opt = value(
    "-p",
    "NAME=VALUE",
    Complete::Nothing,
    "a property, standard or extension; may be repeated. The elements of a list are separated by commas; += and -= add and remove elements; NAME{NODE,...}=VALUE sets it for single nodes",
)
.or("--property");
const EXTENSION: Opt = value("-x", "NAME=VALUE", Complete::Nothing, "an extension property, likewise")
    .or("--extension-property");
const STANDARD: Opt =
    value("-y", "NAME=VALUE", Complete::Nothing, "a standard property, likewise").or("--standard-property");
const PROPERTIES: Opt = value("-p", "NAME,...", Complete::Nothing, "only these properties").or("--property");

const CREATE: Subcommand = Subcommand {
    name: "create",
    summary: "create resources in a group and enable them",
    description: &[
        "The type's Validate method judges the properties on every node that may run them; if one refuses, nothing is created and what it printed is shown. In an online group a new resource is started.",
    ],
    options: &[
        value("-g", "GROUP", GROUPS, "the group").or("--resourcegroup"),
        value("-t", "TYPE", TYPES, "the type").or("--type"),
        flag("-d", "leave them disabled").or("--disable"),
        PROPERTY,
        EXTENSION,
        STANDARD,
        INPUT,
        flag("-a", "with -i: make their groups and types, too, where there are none").or("--automatic"),
        DRY_RUN,
    ],
    needs: &[],
    operands: new_objects("RESOURCE..."),
    examples: &[
        (
            "create -g dns-rg -t SUNW.sample -p Confdir=/etc/dns -p Resource_dependencies=dns-lh dns-rs",
            "create a resource that needs another one",
        ),
        (
            "create -d -g dns-rg -t SUNW.sample --property=Confdir=/etc/dns dns-rs",
            "create it, and leave it disabled",
        ),
    ],
    run: super::create,
};
const CREATE_HOSTNAME: Subcommand = Subcommand {
    name: "create",
    summary: "create a logical hostname in a group and enable it",
    description: &["Without -h the resource's own name is the host name."],
    options: &[
        value("-g", "GROUP", GROUPS, "the group").or("--resourcegroup"),
        value("-h", "HOST,...", Complete::Nothing, "the host names whose addresses it carries")
            .or("--logicalhost"),
        value(
            "-N",
            "NETIF@NODE,...",
            Complete::Nothing,
            "the network interface on each node; found by the subnet of the address where not given",
        )
        .or("--netiflist"),
        flag("-d", "leave it disabled").or("--disable"),
        PROPERTY,
        DRY_RUN,
    ],
    needs: &["-g"],
    operands: new_objects("RESOURCE"),
    examples: &[
        ("create -g dns-rg -h dnshost dns-lh", "let the address of dnshost move with a group"),
        (
            "create -g dns-rg -N eth1@phys-1,eth1@phys-2 dnshost",
            "name the interfaces; the name is the host's",
        ),
    ],
    run: super::create_hostname,
};
const DELETE: Subcommand = Subcommand {
    name: "delete",
    summary: "delete resources, which must be disabled",
    description: &[],
    options: &[
        flag("-F", "disable them first, and take them out of the dependencies of others").or("--force"),
        OF_GROUP,
        OF_TYPE,
        DRY_RUN,
    ],
    needs: &[],
    operands: SOME,
    examples: &[
        ("delete dns-rs", "delete a resource"),
        ("delete -F -g dns-rg +", "delete all of a group, used or not"),
    ],
    run: super::delete,
};
const ENABLE: Subcommand = Subcommand {
    name: "enable",
    summary: "enable resources; in an online group they are started",
    description: &[],
    options: &[
        flag("-R", "also what they depend on, and so on").or("--recursive"),
        OF_GROUP,
        nodes("only on these nodes"),
        OF_TYPE,
        DRY_RUN,
    ],
    needs: &[],
    operands: SOME,
    examples: &[
        ("enable dns-rs", "enable a resource"),
        ("enable -R -n phys-1 dns-rs", "with all it needs, on one node"),
    ],
    run: super::enable,
};
const DISABLE: Subcommand = Subcommand {
    name: "disable",
    summary: "disable resources; in an online group they are stopped",
    description: &[],
    options: &[
        flag("-R", "also what depends on them, and so on").or("--recursive"),
        OF_GROUP,
        nodes("only on these nodes"),
        OF_TYPE,
        DRY_RUN,
    ],
    needs: &[],
    operands: SOME,
    examples: &[
        ("disable dns-rs", "disable a resource"),
        ("disable -R --dry-run dns-lh", "see what would be stopped with it"),
    ],
    run: super::disable,
};
const MONITOR: Subcommand = Subcommand {
    name: "monitor",
    summary: "enable the fault monitors of resources",
    description: &[],
    options: &[OF_GROUP, nodes("only on these nodes"), OF_TYPE, DRY_RUN],
    needs: &[],
    operands: SOME,
    examples: &[("monitor dns-rs", "watch a resource")],
    run: super::monitor,
};
const UNMONITOR: Subcommand = Subcommand {
    name: "unmonitor",
    summary: "disable the fault monitors of resources",
    description: &[],
    options: &[OF_GROUP, nodes("only on these nodes"), OF_TYPE, DRY_RUN],
    needs: &[],
    operands: SOME,
    examples: &[("unmonitor dns-rs", "stop watching a resource, for work on it")],
    run: super::unmonitor,
};
const SET: Subcommand = Subcommand {
    name: "set",
    summary: "change properties of resources",
    description: &[
        "The type's Validate method judges the change on every node that may run them; if one refuses, nothing is changed and what it printed is shown.",
    ],
    options: &[OF_GROUP, PROPERTY, EXTENSION, STANDARD, OF_TYPE, DRY_RUN],
    needs: &[],
    operands: SOME,
    examples: &[
        ("set -p Retry_count=3 dns-rs", "change a property"),
        ("set -p Resource_dependencies+=db-rs dns-rs", "add an element to a list"),
    ],
    run: super::set,
};
const CLEAR: Subcommand = Subcommand {
    name: "clear",
    summary: "clear the error flag STOP_FAILED of resources",
    description: &[
        "First make sure that nothing of them is still running there: otherwise the service may run twice. Without -n the flag is cleared on every node that has it.",
    ],
    options: &[
        value("-f", "FLAG", Complete::Words(&["STOP_FAILED"]), "the flag: STOP_FAILED, also where not given")
            .or("--flag"),
        OF_GROUP,
        flag("-R", "also of what depends on them, and so on").or("--recursive"),
        OF_TYPE,
        nodes("only on these nodes"),
        DRY_RUN,
    ],
    needs: &[],
    operands: SOME,
    examples: &[("clear -n phys-1 dns-rs", "clear a resource that could not be stopped")],
    run: super::clear,
};
const LIST: Subcommand = Subcommand {
    name: "list",
    summary: "print the names of resources",
    description: &["-v also prints the type and group of each."],
    options: &[OF_GROUP, OF_TYPE, ON_NODES, OF_STATE, JSON],
    needs: &[],
    operands: ANY,
    examples: &[("list -g dns-rg", "print those of a group"), ("list -v", "print all with type and group")],
    run: super::list,
};
const LIST_PROPS: Subcommand = Subcommand {
    name: "list-props",
    summary: "print which properties resources have",
    description: &["Without -l extension properties only. -v also prints what each of them is for."],
    options: &[
        value(
            "-l",
            "KIND",
            Complete::Words(&["all", "extension", "standard"]),
            "which: all, extension or standard",
        )
        .or("--listtype"),
        PROPERTIES,
        OF_GROUP,
        OF_TYPE,
        JSON,
    ],
    needs: &[],
    operands: ANY,
    examples: &[("list-props -l all -v dns-rs", "print every property of a resource and what it is for")],
    run: super::list_props,
};
const STATUS: Subcommand = Subcommand {
    name: "status",
    summary: "print the state of resources on each node of their group",
    description: &[
        "-s picks by state or status: offline is offline on every node, not_online online on none, detached disabled and offline on every node; the others are a resource's state or status on any node.",
        "-v also says what is disabled or not monitored, and which method runs.",
    ],
    options: &[OF_GROUP, OF_TYPE, ON_NODES, OF_STATE, JSON],
    needs: &[],
    operands: ANY,
    examples: &[("status", "print all"), ("status -s faulted,stop_failed +", "print what is in trouble")],
    run: super::status,
};
const SHOW: Subcommand = Subcommand {
    name: "show",
    summary: "print how resources are configured",
    description: &["-v prints every property with its class, type and meaning. With -p only those named."],
    options: &[OF_GROUP, OF_TYPE, ON_NODES, OF_STATE, PROPERTIES, JSON],
    needs: &[],
    operands: ANY,
    examples: &[
        ("show -v dns-rs", "print all about a resource"),
        ("show -p Retry_count +", "print one property of all"),
    ],
    run: super::show,
};
const EXPLAIN: Subcommand = Subcommand {
    name: "explain",
    summary: "say why resources are as they are, and what can be done",
    description: &[
        "For each node what decides there; what led here; what is waited for, and for how long still; commands that help.",
    ],
    options: &[OF_GROUP, OF_TYPE, JSON],
    needs: &[],
    operands: SOME,
    examples: &[("explain dns-rs", "ask why a resource does not run")],
    run: super::explain,
};
const EXPORT: Subcommand = Subcommand {
    name: "export",
    summary: "print resources as XML",
    description: &[],
    options: &[OF_GROUP, OF_TYPE, OUTPUT],
    needs: &[],
    operands: ANY,
    examples: &[("export -o resources.xml", "write all to a file")],
    run: super::export,
};
