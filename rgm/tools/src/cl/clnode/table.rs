//! What `clnode` is: its subcommands and their options (reference 7.8).

use crate::applet::{Complete, Opt, flag, value};
use crate::cl::files::OUTPUT;
use crate::suite::{Operands, Subcommand, Suite, any_objects, objects};
use crate::tables::{DRY_RUN, JSON};

/// Nodes.
pub const CLNODE: Suite = Suite {
    name: "clnode",
    short: "clnode",
    summary: "manage the nodes of the cluster",
    description: &["+ means all nodes."],
    subcommands: &[
        LIST,
        STATUS,
        SHOW,
        EVACUATE,
        CREATE_LOADLIMIT,
        SET_LOADLIMIT,
        DELETE_LOADLIMIT,
        super::attr::ATTR,
        super::fence::FENCE,
        super::fence::CONFIRM_DEAD,
        EXPORT,
        SHOW_REV,
        ADD,
        REMOVE,
        CLEAR,
        SET,
    ],
    places: &[],
    see_also: &["cluster", "clrg"],
    of_type: "",
};

const SOME: Operands = objects("+ | NODE...", "nodes");
const ANY: Operands = any_objects("+ | NODE...", "nodes");
const LIMIT: Opt = value(
    "-p",
    "NAME=VALUE",
    Complete::Nothing,
    "limitname=NAME, softlimit=NUMBER, hardlimit=NUMBER; hardlimit= takes the hard limit away",
)
.or("--property");

const LIST: Subcommand = Subcommand {
    name: "list",
    summary: "print the names of the nodes",
    description: &[],
    options: &[JSON],
    needs: &[],
    operands: ANY,
    examples: &[("list", "print all")],
    run: super::list,
};
const STATUS: Subcommand = Subcommand {
    name: "status",
    summary: "print which nodes are up",
    examples: &[("status", "print all")],
    run: super::status,
    ..LIST
};
const SHOW: Subcommand = Subcommand {
    name: "show",
    summary: "print all about nodes: their ids, loads and load limits",
    examples: &[("show phys-1", "print a node")],
    run: super::show,
    ..LIST
};
const EVACUATE: Subcommand = Subcommand {
    name: "evacuate",
    summary: "move all groups off nodes, and keep them off for a while",
    description: &["Groups that may run nowhere else go offline."],
    options: &[
        value(
            "-T",
            "SECONDS",
            Complete::Nothing,
            "nothing comes back by itself for so long; 60 if not given",
        )
        .or("--time"),
        DRY_RUN,
    ],
    needs: &[],
    operands: SOME,
    examples: &[("evacuate -T 300 phys-1", "empty a node for five minutes of maintenance")],
    run: super::evacuate,
};
const CREATE_LOADLIMIT: Subcommand = Subcommand {
    name: "create-loadlimit",
    summary: "make a load limit of nodes",
    description: &[
        "A group's Load_factors say how much load it is; a node takes no more than its hard limit, and other nodes are preferred to one over its soft limit.",
    ],
    options: &[LIMIT, DRY_RUN],
    needs: &["-p"],
    operands: SOME,
    examples: &[(
        "create-loadlimit -p limitname=memory -p softlimit=16 -p hardlimit=32 phys-1",
        "let a node take memory load up to 32",
    )],
    run: super::create_loadlimit,
};
const SET_LOADLIMIT: Subcommand = Subcommand {
    name: "set-loadlimit",
    summary: "change a load limit of nodes",
    description: &[],
    examples: &[("set-loadlimit -p limitname=memory -p hardlimit=64 phys-1", "change a hard limit")],
    run: super::set_loadlimit,
    ..CREATE_LOADLIMIT
};
const DELETE_LOADLIMIT: Subcommand = Subcommand {
    name: "delete-loadlimit",
    summary: "take a load limit of nodes away",
    description: &[],
    examples: &[("delete-loadlimit -p limitname=memory +", "take it away from all nodes")],
    run: super::delete_loadlimit,
    ..CREATE_LOADLIMIT
};
const EXPORT: Subcommand = Subcommand {
    name: "export",
    summary: "print nodes and their load limits as XML",
    description: &[],
    options: &[OUTPUT],
    needs: &[],
    operands: ANY,
    examples: &[("export -o nodes.xml", "write all to a file")],
    run: super::export,
};
const SHOW_REV: Subcommand = Subcommand {
    name: "show-rev",
    summary: "print the version of the programs",
    description: &[],
    options: &[],
    needs: &[],
    operands: ANY,
    examples: &[("show-rev", "print it")],
    run: super::show_rev,
};
const ADD: Subcommand = Subcommand {
    name: "add",
    summary: "refused: the nodes of a cluster on one machine are named when it is made",
    description: &[],
    options: &[
        value("-n", "NODE", Complete::Nothing, "a node of the cluster to join").or("--clusternode"),
        flag("-F", "by force").or("--force"),
    ],
    needs: &[],
    operands: ANY,
    examples: &[],
    run: super::no_membership,
};
const REMOVE: Subcommand = Subcommand { name: "remove", ..ADD };
const CLEAR: Subcommand = Subcommand { name: "clear", ..ADD };
const SET: Subcommand = Subcommand {
    name: "set",
    summary: "refused: a node has no properties to set",
    options: &[value("-p", "NAME=VALUE", Complete::Nothing, "a property").or("--property")],
    run: super::no_properties,
    ..ADD
};
