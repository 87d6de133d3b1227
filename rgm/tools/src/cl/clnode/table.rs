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
    summary: "configure one more node of a cluster on several machines",
    description: &[
        "Its rgmd joins by itself once it runs. It needs a certificate, and settings like those of the other nodes.",
    ],
    options: &[
        value("-n", "NODE", Complete::Nothing, "accepted: every node of the cluster is asked alike")
            .or("--clusternode"),
        DRY_RUN,
    ],
    needs: &[],
    operands: objects("NODE...", "nodes"),
    examples: &[("add phys-4", "let a fourth machine join")],
    run: super::add,
};
const REMOVE: Subcommand = Subcommand {
    name: "remove",
    summary: "configure a node no more",
    description: &["It must be down, and no Nodelist and no resource type may name it."],
    options: &[flag("-F", "accepted: nothing is removed by force").or("--force"), DRY_RUN],
    examples: &[("remove phys-4", "forget a machine that was taken away")],
    run: super::remove,
    ..ADD
};
const CLEAR: Subcommand = Subcommand {
    name: "clear",
    summary: "refused: a node that was removed leaves nothing behind",
    description: &[],
    options: &[flag("-F", "by force").or("--force")],
    needs: &[],
    operands: ANY,
    examples: &[],
    run: super::no_clearing,
};
const SET: Subcommand = Subcommand {
    name: "set",
    summary: "refused: a node has no properties to set",
    options: &[value("-p", "NAME=VALUE", Complete::Nothing, "a property").or("--property")],
    run: super::no_properties,
    ..CLEAR
};
