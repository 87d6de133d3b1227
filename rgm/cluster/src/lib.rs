//! Who is alive, who is president, links between nodes.
