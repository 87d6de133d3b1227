//! The stories marked `# live` (`tests/scenarios`), played by the real daemons.

use anyhow::Result;
use rgm_tests::scenario::live;
use std::fs;
use std::path::Path;

#[test]
fn the_real_daemons_go_as_the_stories_tell() -> Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let files = fs::read_dir(&folder)?.map(|f| Ok(f?.path())).collect::<Result<Vec<_>>>()?;
    let (mut played, mut wrong) = (0, Vec::new());
    for file in files {
        let story = fs::read_to_string(&file)?;
        if story.lines().any(|line| line == "# live") {
            played += 1;
            let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
            wrong.extend(live::play(&story).err().map(|e| format!("{name} {e:#}")));
        }
    }
    assert!(played > 0, "no story is marked live");
    assert!(wrong.is_empty(), "{} of {played}:\n{}", wrong.len(), wrong.join("\n"));
    Ok(())
}
