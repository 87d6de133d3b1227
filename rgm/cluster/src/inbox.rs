//! Where the words of all nodes arrive.

use crate::FromNode;
use rgm_types::NodeName;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// A message and who sent it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrived {
    /// The sender.
    pub node: NodeName,
    /// What it says.
    pub message: FromNode,
}

/// The president's end.
#[derive(Debug)]
pub struct Inbox {
    receiver: UnboundedReceiver<Arrived>,
}

/// A node's end.
#[derive(Debug, Clone)]
pub struct Outlet {
    node: NodeName,
    sender: UnboundedSender<Arrived>,
}

/// Makes an inbox, and what outlets are made of.
///
/// The queue needs no bound of its own: a node says one word for each order it was given, each tag
/// PMF gave up, and each time it is asked for a report.
pub fn channel() -> (impl Fn(&NodeName) -> Outlet, Inbox) {
    let (sender, receiver) = unbounded_channel();
    let outlet = move |node: &NodeName| Outlet { node: node.clone(), sender: sender.clone() };
    (outlet, Inbox { receiver })
}

impl Inbox {
    /// The next message; pending for ever when no node is left to send one. Cancel-safe.
    pub async fn next(&mut self) -> Arrived {
        match self.receiver.recv().await {
            Some(arrived) => arrived,
            None => std::future::pending().await,
        }
    }

    /// A message that has arrived already.
    pub fn waiting(&mut self) -> Option<Arrived> {
        self.receiver.try_recv().ok()
    }
}

impl Outlet {
    /// Says something. Nobody hears it when the president has ended: the next one asks.
    pub fn send(&self, message: FromNode) {
        let _nobody = self.sender.send(Arrived { node: self.node.clone(), message });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_one_node_arrive_in_their_order_beside_those_of_others() {
        let (outlet, mut inbox) = channel();
        let nodes = ["a", "b"].map(|name| NodeName::new(name).unwrap());
        let [a, b] = [outlet(&nodes[0]), outlet(&nodes[1])];
        let exceeded = |seq| FromNode::Exceeded { seq, resource: "r".parse().unwrap(), tag: "t".to_owned() };
        a.send(exceeded(1));
        b.send(FromNode::Down);
        a.send(exceeded(2));
        let said: Vec<Arrived> = std::iter::from_fn(|| inbox.waiting()).collect();
        let of_a = said.iter().filter(|m| m.node == nodes[0]).map(|m| m.message.clone());
        assert_eq!(of_a.collect::<Vec<_>>(), [exceeded(1), exceeded(2)]);
        assert_eq!(said.len(), 3);
    }
}
