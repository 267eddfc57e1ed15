//! Advice on errors of the libraries, which know neither the options nor the commands of this program.

use pelk_train::TrainError;

/// What the user can do about an error, if an option or a command helps.
pub fn advice(error: &anyhow::Error) -> Option<String> {
    error.chain().find_map(|cause| train(cause.downcast_ref()?))
}

fn train(error: &TrainError) -> Option<String> {
    let text = match error {
        TrainError::RunExists { .. } => "add --resume to continue this run, or choose another --out folder",
        TrainError::RunFolder { .. } => "choose another --out folder",
        TrainError::NoRun { .. } => "start a run without --resume, or name the folder of a run with --out",
        _ => return None,
    };
    Some(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context;

    #[test]
    fn advice_is_found_behind_any_context() {
        let error = || TrainError::RunExists { folder: "runs/x".into() };
        let wrapped = Err::<(), _>(error()).context("above").context("further above").unwrap_err();
        for error in [error().into(), wrapped] {
            assert!(advice(&error).unwrap().contains("--resume"));
        }
        assert_eq!(advice(&anyhow::anyhow!("another")), None);
    }
}
