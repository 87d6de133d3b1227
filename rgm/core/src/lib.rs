//! The pure core of the resource group manager: decides, never performs.
