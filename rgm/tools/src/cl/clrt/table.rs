//! What `clrt` is: its subcommands and their options (reference 7.5).

use crate::applet::{Complete, Opt, flag, value};
use crate::cl::files::OUTPUT;
use crate::suite::{Operands, Subcommand, Suite, any_objects, objects};
use crate::tables::{DRY_RUN, JSON, NODES};

/// Resource types.
pub const CLRT: Suite = Suite {
    name: "clresourcetype",
    short: "clrt",
    summary: "manage resource types",
    description: &[
        "A resource type says by which methods services of a kind are started, stopped and watched, and which properties they have. It must be registered before resources of it can be made.",
        "Names may be abbreviated: the vendor in front and the version behind may be left out as long as only one registered type is meant. + means all types.",
    ],
    subcommands: &[REGISTER, UNREGISTER, LIST, LIST_PROPS, SHOW, EXPORT, SET, ADD_NODE, REMOVE_NODE],
    places: &[(
        "RGM_RTREG_PATH",
        "directories, separated by colons, to look for registration files in; /opt/cluster/lib/rgm/rtreg:/usr/cluster/lib/rgm/rtreg where not set",
    )],
    see_also: &["scrgadm", "rtrcheck", "rgmd"],
    of_type: "",
};

const NODE: Opt =
    value("-n", "NODE,...", NODES, "only types that are installed on one of these nodes").or("--node");
const NODE_SET: Opt = value("-n", "NODE,...", NODES, "the nodes it is installed on").or("--node");
const ALL_NODES: Opt = flag("-N", "installed on all nodes, later ones included").or("--allnodes");
const PROPERTY: Opt = value(
    "-p",
    "NAME=VALUE",
    Complete::Nothing,
    "Installed_nodes=NODE,... (* for all) or RT_system=TRUE|FALSE; may be repeated",
)
.or("--property");
const PROPERTIES: Opt = value("-p", "NAME,...", Complete::Nothing, "only these properties").or("--property");
const ANY: Operands = any_objects("+ | TYPE...", "types");
const SOME: Operands = objects("+ | TYPE...", "types");

const REGISTER: Subcommand = Subcommand {
    name: "register",
    summary: "register resource types from their registration files",
    description: &[
        "Without -f the file is looked for under the type's name in the directories of registration files. + registers every type that has a file there, or in the directory of -f, and is not registered yet.",
    ],
    options: &[
        ALL_NODES,
        NODE_SET,
        value("-f", "FILE", Complete::Files, "the registration file, or a directory of them").or("--rtrfile"),
        PROPERTY,
        DRY_RUN,
    ],
    needs: &[],
    operands: Operands { shown: "+ | TYPE...", optional: false, complete: Complete::Nothing },
    examples: &[
        ("register SUNW.sample", "register a type whose file lies where such files lie"),
        (
            "register -f ./SUNW.sample -n phys-1,phys-2 SUNW.sample",
            "name its file, and the nodes it may be used on",
        ),
    ],
    run: super::register,
};
const UNREGISTER: Subcommand = Subcommand {
    name: "unregister",
    summary: "unregister types of which there are no resources",
    description: &[],
    options: &[DRY_RUN],
    needs: &[],
    operands: SOME,
    examples: &[("unregister SUNW.sample", "unregister a type")],
    run: super::unregister,
};
const LIST: Subcommand = Subcommand {
    name: "list",
    summary: "print the names of registered types",
    description: &["-v also prints the nodes each is installed on."],
    options: &[NODE, JSON],
    needs: &[],
    operands: ANY,
    examples: &[
        ("list", "print all"),
        ("list -v -n phys-1", "print those of phys-1, and where else they are"),
    ],
    run: super::list,
};
const LIST_PROPS: Subcommand = Subcommand {
    name: "list-props",
    summary: "print the properties that resources of a type have",
    description: &["-v also prints what each of them is for."],
    options: &[PROPERTIES, JSON],
    needs: &[],
    operands: ANY,
    examples: &[("list-props -v SUNW.sample", "print the properties of a type and what they are for")],
    run: super::list_props,
};
const SHOW: Subcommand = Subcommand {
    name: "show",
    summary: "print all about registered types",
    description: &["-v also prints its methods, from which versions it upgrades, and its properties."],
    options: &[NODE, JSON],
    needs: &[],
    operands: ANY,
    examples: &[("show SUNW.sample", "print a type"), ("show --json +", "print all of them for a program")],
    run: super::show,
};
const SET: Subcommand = Subcommand {
    name: "set",
    summary: "change the nodes types are installed on, or RT_system",
    description: &[],
    options: &[ALL_NODES, NODE_SET, PROPERTY, DRY_RUN],
    needs: &[],
    operands: SOME,
    examples: &[
        ("set -N SUNW.sample", "allow a type on every node"),
        ("set -p RT_system=TRUE SUNW.sample", "protect a type from being unregistered"),
    ],
    run: super::set,
};
const ADD_NODE: Subcommand = Subcommand {
    name: "add-node",
    summary: "add nodes to those that types are installed on",
    description: &[],
    options: &[NODE_SET, DRY_RUN],
    needs: &["-n"],
    operands: SOME,
    examples: &[("add-node -n phys-3 SUNW.sample", "allow a type on another node")],
    run: super::add_node,
};
const REMOVE_NODE: Subcommand = Subcommand {
    name: "remove-node",
    summary: "remove nodes from those that types are installed on",
    description: &[],
    options: &[NODE_SET, DRY_RUN],
    needs: &["-n"],
    operands: SOME,
    examples: &[("remove-node -n phys-3 SUNW.sample", "allow a type on one node less")],
    run: super::remove_node,
};
const EXPORT: Subcommand = Subcommand {
    name: "export",
    summary: "print types whole, as XML",
    description: &[],
    options: &[OUTPUT],
    needs: &[],
    operands: ANY,
    examples: &[("export -o types.xml", "write all to a file")],
    run: super::export,
};
