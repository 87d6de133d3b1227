//! The commands of agents for attributes of nodes.

use super::{NODES, PLACES, Rows};
use crate::applet::{Applet, Complete, Form, Opt, UNIVERSAL, flag, value};

const NODE: Opt = value("-n", "NODE", NODES, "the node; the one the command runs on where not given");
const LIFETIME: Opt = value(
    "-l",
    "LIFETIME",
    Complete::Words(&["reboot", "forever"]),
    "reboot: until the node leaves the cluster; forever: until it is cleared",
);
const WHAT: &str = "An attribute is a name and a line of text that agents and operators say of a node; Node_rule of a resource group reads it, and is judged anew at once when it changes. With the lifetime reboot it ends when its node leaves the cluster or boots; it hides one of the same name with the lifetime forever.";
const LIMITS: &str = "A name begins with a letter and is made of letters, digits, '-', '_', '.' and ':'. A value has up to 1024 bytes and may be empty; a node has up to 128 attributes of each lifetime.";

const EXITS: Rows = &[
    ("0", "done"),
    ("3", "the command line can't be understood, or a name, a value or their number is not allowed"),
    ("5", "rgmd does not answer, or the cluster is reconfiguring: try again"),
    ("6", "permission denied: changes need root"),
    ("11", "no such node, or it is no member of the cluster and the lifetime is reboot"),
    ("15", "the node has no such attribute"),
    ("18", "internal error"),
];

/// Reads one.
pub const SCHA_NODE_ATTR_GET: Applet = Applet {
    name: "scha_node_attr_get",
    section: 1,
    summary: "read an attribute of a node",
    description: &["scha_node_attr_get prints the value of an attribute.", WHAT],
    options: &[NODE, LIFETIME, flag("--json", "print JSON")],
    universal: UNIVERSAL,
    forms: &[Form {
        key: &[],
        needs: &[],
        may: &["-n", "-l", "--json"],
        operands: "NAME",
        effect: "Without -l the value in force is printed. An attribute that is not there is exit code 15.",
    }],
    examples: &[
        ("scha_node_attr_get db-score", "of this node"),
        ("scha_node_attr_get -n phys-2 db-score", "of another one"),
    ],
    exits: EXITS,
    places: PLACES,
    see_also: &["scha_node_attr_set", "scha_node_attr_clear", "clnode"],
};

/// Sets some.
pub const SCHA_NODE_ATTR_SET: Applet = Applet {
    name: "scha_node_attr_set",
    section: 1,
    summary: "set attributes of a node",
    description: &[
        "scha_node_attr_set gives attributes values. It returns when the manager has them; what groups do about it follows. A value that is there already is not written again: an agent may say the same every few seconds.",
        WHAT,
        LIMITS,
    ],
    options: &[NODE, LIFETIME],
    universal: UNIVERSAL,
    forms: &[Form {
        key: &[],
        needs: &[],
        may: &["-n", "-l"],
        operands: "NAME=VALUE...",
        effect: "Without -l the lifetime is reboot. Several are set at once: no rule sees one without the other. Nothing is printed on standard output.",
    }],
    examples: &[
        ("scha_node_attr_set db-score=100", "say how fit this node is"),
        ("scha_node_attr_set -l forever site.rack=b2", "say what outlives a boot"),
    ],
    exits: EXITS,
    places: PLACES,
    see_also: &["scha_node_attr_get", "scha_node_attr_clear", "clnode"],
};

/// Clears some.
pub const SCHA_NODE_ATTR_CLEAR: Applet = Applet {
    name: "scha_node_attr_clear",
    section: 1,
    summary: "clear attributes of a node",
    description: &[
        "scha_node_attr_clear takes attributes away: rules find them not defined. (One that is set to the empty text is defined.) One that is not there is not missed.",
        WHAT,
    ],
    options: &[NODE, LIFETIME],
    universal: UNIVERSAL,
    forms: &[Form {
        key: &[],
        needs: &[],
        may: &["-n", "-l"],
        operands: "NAME...",
        effect: "Without -l both lifetimes are cleared. Nothing is printed on standard output.",
    }],
    examples: &[("scha_node_attr_clear db-score", "say no more of it")],
    exits: EXITS,
    places: PLACES,
    see_also: &["scha_node_attr_get", "scha_node_attr_set", "clnode"],
};
