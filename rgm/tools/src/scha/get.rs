//! `scha_*_get` (reference 8.1 to 8.5).

use super::show;
use crate::args::Args;
use crate::ask;
use crate::failure::Failure;
use rgm_types::{Query, SchaErr};

/// `scha_resource_get`.
pub fn resource(args: &Args) -> Result<String, Failure> {
    answer(args, resource_query(args)?)
}

/// `scha_resourcegroup_get`.
pub fn group(args: &Args) -> Result<String, Failure> {
    answer(args, group_query(args)?)
}

/// `scha_resourcetype_get`.
pub fn resource_type(args: &Args) -> Result<String, Failure> {
    answer(args, type_query(args)?)
}

/// `scha_cluster_get`.
pub fn cluster(args: &Args) -> Result<String, Failure> {
    answer(args, cluster_query(args)?)
}

pub(super) fn answer(args: &Args, query: Query) -> Result<String, Failure> {
    Ok(show::answer(&ask::get(query)?, args.has("--json")))
}

fn resource_query(args: &Args) -> Result<Query, Failure> {
    checked(args)?;
    Ok(Query::Resource {
        tag: args.needed("-O")?.to_owned(),
        resource: args.needed("-R")?.to_owned(),
        group: args.one("-G")?.map(str::to_owned),
        args: args.operands.clone(),
    })
}

fn group_query(args: &Args) -> Result<Query, Failure> {
    checked(args)?;
    Ok(Query::Group {
        tag: args.needed("-O")?.to_owned(),
        group: args.needed("-G")?.to_owned(),
        args: args.operands.clone(),
    })
}

fn type_query(args: &Args) -> Result<Query, Failure> {
    checked(args)?;
    Ok(Query::Type { tag: args.needed("-O")?.to_owned(), type_name: args.needed("-T")?.to_owned() })
}

fn cluster_query(args: &Args) -> Result<Query, Failure> {
    checked(args)?;
    Ok(Query::Cluster { tag: args.needed("-O")?.to_owned(), args: args.operands.clone() })
}

/// Complete, and about the one zone there is.
pub(super) fn checked(args: &Args) -> Result<(), Failure> {
    args.form()?;
    match args.one("-Z")? {
        None | Some("global") => Ok(()),
        Some(zone) => Err(Failure::new(
            SchaErr::Inval,
            format!("-Z {zone}: there is no zone or zone cluster of that name"),
            "leave -Z out; only global exists",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tables;

    fn parse(line: &str, table: &'static crate::applet::Applet) -> Args {
        Args::parse(table, line.split_whitespace().map(Into::into)).unwrap()
    }

    #[test]
    fn options_may_stand_in_any_order_and_the_group_may_be_left_out() {
        let expected = Query::Resource {
            tag: "Extension".into(),
            resource: "dns-rs".into(),
            group: Some("dns-rg".into()),
            args: vec!["Confdir".into()],
        };
        for line in [
            "-O Extension -R dns-rs -G dns-rg Confdir",
            "-G dns-rg Confdir -R dns-rs -O Extension",
            "Confdir -Gdns-rg -Rdns-rs -OExtension -Z global",
            "-R dns-rs -G dns-rg -O Extension --json -- Confdir",
        ] {
            assert_eq!(resource_query(&parse(line, &tables::SCHA_RESOURCE_GET)).unwrap(), expected, "{line}");
        }
        let query = resource_query(&parse("-O TYPE -R r", &tables::SCHA_RESOURCE_GET)).unwrap();
        assert!(matches!(query, Query::Resource { group: None, .. }), "{query:?}");
    }

    #[test]
    fn the_other_readers_carry_their_options_and_arguments() {
        assert_eq!(
            group_query(&parse("-G g -O RG_STATE_NODE phys-2", &tables::SCHA_RESOURCEGROUP_GET)).unwrap(),
            Query::Group { tag: "RG_STATE_NODE".into(), group: "g".into(), args: vec!["phys-2".into()] }
        );
        assert_eq!(
            type_query(&parse("-O START -T SUNW.sample", &tables::SCHA_RESOURCETYPE_GET)).unwrap(),
            Query::Type { tag: "START".into(), type_name: "SUNW.sample".into() }
        );
        assert_eq!(
            cluster_query(&parse("-O NODENAME_NODEID 2", &tables::SCHA_CLUSTER_GET)).unwrap(),
            Query::Cluster { tag: "NODENAME_NODEID".into(), args: vec!["2".into()] }
        );
    }

    #[test]
    fn a_call_that_is_not_complete_or_means_another_zone_is_refused_with_3() {
        for (line, wrong) in [
            ("-R r", "scha_resource_get needs -O TAG"),
            ("-O TYPE", "scha_resource_get needs -R RESOURCE"),
            ("-O TYPE -R", "-R needs a value"),
            ("-O TYPE -R r -R s", "-R is given more than once"),
            ("-O TYPE -R r -Z other", "-Z other: there is no zone"),
            ("-O TYPE -R r -q", "there is no option -q"),
            ("-O", "-O needs a value"),
        ] {
            let words = line.split_whitespace().map(Into::into);
            let failure = Args::parse(&tables::SCHA_RESOURCE_GET, words)
                .and_then(|args| resource_query(&args))
                .unwrap_err();
            assert_eq!(failure.code(), 3);
            assert!(failure.text("x").contains(wrong), "{line}: {}", failure.text("x"));
        }
    }
}
