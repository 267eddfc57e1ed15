//! The table of a run's evaluations by group of labels or objects.

use super::table;
use crate::atomic::write_atomically;
use crate::error::Result;
use crate::evaluate::{GroupResult, GroupScores};
use std::path::Path;

/// One group of labels or objects in one evaluation.
#[derive(Debug, Clone, PartialEq)]
pub struct GroupRow {
    /// Epoch of the evaluation, from 1.
    pub epoch: u64,
    /// Steps taken.
    pub step: u64,
    /// Results of the group.
    pub group: GroupResult,
}

const LABELS: &str = "epoch,step,group,labels,correct,accuracy";
/// The header of earlier versions.
const OLD_LABELS: &str = "epoch,step,group,labels,right,accuracy";
const OBJECTS: &str = "epoch,step,group,objects,box_ap,mask_ap";

/// Reads a table of groups; a missing file counts as an empty table.
///
/// # Errors
/// When the file cannot be read, or a line is not a row of this table.
pub fn read_groups(path: &Path) -> Result<Vec<GroupRow>> {
    table::read(path, &[LABELS, OLD_LABELS, OBJECTS], |first, fields| {
        let &[epoch, step, name, count, score, last] = fields else { return None };
        let scores = match first {
            OBJECTS => GroupScores::Objects { box_ap: table::value(score)?, mask_ap: table::value(last)? },
            _ => GroupScores::Labels { correct: score.parse().ok()? },
        };
        let group = GroupResult { name: name.to_owned(), count: count.parse().ok()?, scores };
        Some(GroupRow { epoch: epoch.parse().ok()?, step: step.parse().ok()?, group })
    })
}

/// Writes a table of groups as a whole or not at all.
///
/// # Errors
/// When the file cannot be written.
pub fn write_groups(path: &Path, rows: &[GroupRow]) -> Result<()> {
    let header = rows.first().map_or(LABELS, |row| match row.group.scores {
        GroupScores::Labels { .. } => LABELS,
        GroupScores::Objects { .. } => OBJECTS,
    });
    let mut text = format!("{header}\n");
    for GroupRow { epoch, step, group } in rows {
        let GroupResult { name, count, scores } = group;
        let scores = match scores {
            GroupScores::Labels { correct } => format!("{correct},{}", table::field(group.score())),
            GroupScores::Objects { box_ap, mask_ap } => {
                format!("{},{}", table::field(*box_ap), table::field(*mask_ap))
            }
        };
        text += &format!("{epoch},{step},{name},{count},{scores}\n");
    }
    write_atomically(path, text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(name: &str, scores: GroupScores) -> GroupRow {
        GroupRow { epoch: 2, step: 40, group: GroupResult { name: name.into(), count: 12, scores } }
    }

    #[test]
    fn a_table_of_groups_reads_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("groups.csv");
        assert_eq!(read_groups(&path).unwrap(), []);
        let labels = |name, correct| row(name, GroupScores::Labels { correct });
        let rows = [labels("d1", 9), labels("d2", 3)];
        write_groups(&path, &rows).unwrap();
        assert_eq!(read_groups(&path).unwrap(), rows);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains("2,40,d1,12,9,0.75"));
        std::fs::write(&path, text.replacen(LABELS, OLD_LABELS, 1)).unwrap();
        assert_eq!(read_groups(&path).unwrap(), rows, "of an earlier version");
        let objects = |name, box_ap, mask_ap| row(name, GroupScores::Objects { box_ap, mask_ap });
        let rows = [objects("d<16", Some(0.5), Some(0.25)), objects("d>=32", None, Some(0.0))];
        write_groups(&path, &rows).unwrap();
        assert_eq!(read_groups(&path).unwrap(), rows);
        assert!(std::fs::read_to_string(&path).unwrap().contains(",none,0.000000"));
        let nobody = GroupResult { count: 0, ..labels("d3", 0).group };
        let rows = [GroupRow { group: nobody, ..labels("d3", 0) }];
        write_groups(&path, &rows).unwrap();
        assert!(std::fs::read_to_string(&path).unwrap().contains("2,40,d3,0,0,none"));
        assert_eq!(read_groups(&path).unwrap(), rows);
    }

    #[test]
    fn a_damaged_table_of_groups_names_the_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("groups.csv");
        for row in [format!("{LABELS}\n1,2,d1,many,3,0.5"), format!("{OBJECTS}\n1,2,d1,3,0.5")] {
            std::fs::write(&path, row + "\n").unwrap();
            assert!(read_groups(&path).unwrap_err().to_string().contains("line 2"));
        }
    }
}
