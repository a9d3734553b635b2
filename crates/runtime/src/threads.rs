//! How many threads a run uses, and the teams that models of one process share.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use lehr_kernels::team::Team;

/// Physical cores that the process may use: never more than the affinity mask and the cgroup quota allow.
///
/// Two hyperthreads of one core share its vector units, so one thread for each core is the default.
pub fn physical_cores() -> usize {
    let allowed = Team::default_threads();
    count_cores(Path::new("/sys/devices/system/cpu")).map_or(allowed, |cores| cores.clamp(1, allowed))
}

fn count_cores(folder: &Path) -> Option<usize> {
    let mut cores = BTreeSet::new();
    for entry in std::fs::read_dir(folder).ok()?.filter_map(Result::ok) {
        let topology = entry.path().join("topology");
        let read = |file: &str| std::fs::read_to_string(topology.join(file)).ok();
        if let (Some(package), Some(core)) = (read("physical_package_id"), read("core_id")) {
            cores.insert((package, core));
        }
    }
    (!cores.is_empty()).then_some(cores.len())
}

/// The team of that many threads; models with equal wishes share one, which lives as long as the process.
pub(crate) fn team(threads: usize) -> Arc<Team> {
    static TEAMS: OnceLock<Mutex<BTreeMap<usize, Arc<Team>>>> = OnceLock::new();
    let mut teams = TEAMS.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner);
    Arc::clone(teams.entry(threads).or_insert_with(|| Arc::new(Team::new(threads))))
}

#[cfg(test)]
mod tests {
    #[test]
    fn there_is_a_core_and_a_team_is_shared() {
        assert!(super::physical_cores() >= 1);
        assert!(std::sync::Arc::ptr_eq(&super::team(2), &super::team(2)));
        assert_eq!(super::team(2).threads(), 2);
    }
}
