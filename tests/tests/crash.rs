//! `kill -9` of rgmd or a pmfd at any moment: the short form. `RGM_CRASH_ROUNDS` kills, 25 where not
//! given, at moments drawn from `RGM_CRASH_SEED`.

use anyhow::Result;

const KILLS: usize = 25;
const SEED: u64 = 1;

#[test]
fn a_kill_at_any_moment_loses_nothing_invents_nothing_and_touches_no_application() -> Result<()> {
    let given = |name: &str| std::env::var(name).ok();
    let kills = given("RGM_CRASH_ROUNDS").map_or(Ok(KILLS), |text| text.parse())?;
    let seed = given("RGM_CRASH_SEED").map_or(Ok(SEED), |text| text.parse())?;
    let tally = rgm_tests::crash::run(seed, kills)?;
    println!("seed {seed}: {tally:?}");
    Ok(())
}
