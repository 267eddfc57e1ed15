//! A folder with a small dataset in which the program runs.

use pelk_train::tensorboard::PREFIX;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// A small network and a schedule of 10 epochs with 4 steps each; all randomness is switched on.
pub const SETTINGS: [&str; 13] = [
    "model.depths=[1, 1]",
    "model.widths=[8, 16]",
    "model.kernels=[7, 5]",
    "model.stem_stride=4",
    "model.drop_path=0.3",
    "data.mix={ mixup_alpha = 0.8, cutmix_alpha = 1.0, probability = 0.5 }",
    "ema.decay=0.9",
    "sparsity.sparsity=0.4",
    "sparsity.update_every=3",
    "batch.size=8",
    "batch.accumulation=2",
    "schedule.epochs=10",
    "schedule.warmup_epochs=1",
];
pub const STEPS_PER_EPOCH: u64 = 4;
pub const STEPS: u64 = 40;

const TRAIN_IMAGES: u32 = 64;
const TEST_IMAGES: u32 = 32;

/// How long a child process may take to make progress before the test fails.
const PATIENCE: Duration = Duration::from_secs(60);

pub struct Sandbox(tempfile::TempDir);

impl Sandbox {
    /// A folder with MNIST's four files in `images`.
    pub fn new() -> Sandbox {
        let sandbox = Sandbox::empty();
        sandbox.write_images("images", 0);
        sandbox
    }

    /// A folder without files.
    pub fn empty() -> Sandbox {
        Sandbox(tempfile::tempdir().unwrap())
    }

    /// Four IDX files of 28 x 28 images in a folder; another `shade` gives other images.
    pub fn write_images(&self, folder: &str, shade: u8) {
        let folder = self.path(folder);
        std::fs::create_dir_all(&folder).unwrap();
        let mut state: u32 = 7;
        for (prefix, count) in [("train", TRAIN_IMAGES), ("t10k", TEST_IMAGES)] {
            let mut images = vec![0, 0, 8, 3];
            images.extend([count, 28, 28].map(u32::to_be_bytes).concat());
            let mut labels = vec![0, 0, 8, 1];
            labels.extend(count.to_be_bytes());
            for i in 0..count {
                let label = (i % 10) as u8;
                labels.push(label);
                for pixel in 0..28 * 28 {
                    // Noise, and a bright bar whose height shows the class.
                    state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    let bright = pixel / 28 / 2 == u32::from(label) + 2;
                    images.push((state >> 26) as u8 + shade + if bright { 120 } else { 0 });
                }
            }
            std::fs::write(folder.join(format!("{prefix}-images-idx3-ubyte")), images).unwrap();
            std::fs::write(folder.join(format!("{prefix}-labels-idx1-ubyte")), labels).unwrap();
        }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// `pelk` with these arguments, in this folder.
    pub fn pelk<'a>(&self, args: impl IntoIterator<Item = &'a str>) -> Command {
        self.command(env!("CARGO_BIN_EXE_pelk"), args)
    }

    /// Another program in this folder, for setting limits.
    pub fn command<'a>(&self, program: &str, args: impl IntoIterator<Item = &'a str>) -> Command {
        let mut command = Command::new(program);
        command
            .args(args)
            .current_dir(self.0.path())
            .env("PELK_DATASETS", self.path("datasets"))
            .env_remove("PELK_SIMD")
            .stdin(Stdio::null());
        command
    }

    /// A new run in the folder `out`.
    pub fn train(&self, out: &str, more: &[&str]) -> Command {
        let settings = SETTINGS.iter().flat_map(|setting| ["--set", setting]);
        let args = ["train", "--data", "images", "--out", out];
        self.pelk(args.into_iter().chain(settings).chain(more.iter().copied()))
    }

    /// Resumes the run in the folder `out`.
    pub fn resume(&self, out: &str, more: &[&str]) -> Command {
        let args = ["train", "--data", "images", "--resume", "--out", out];
        self.pelk(args.into_iter().chain(more.iter().copied()))
    }

    /// Runs `out` up to this step.
    pub fn trained(&self, out: &str, max_steps: u64) -> String {
        succeed(&mut self.train(out, &["--max-steps", &max_steps.to_string()]))
    }

    pub fn read(&self, name: &str) -> Vec<u8> {
        let path = self.path(name);
        std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// The event files of a run's folder: one per start, named after the time.
    pub fn event_files(&self, folder: &str) -> Vec<String> {
        let names = std::fs::read_dir(self.path(folder)).unwrap();
        let names = names.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned());
        names.filter(|name| name.starts_with(PREFIX)).collect()
    }

    /// Every file of a folder except event files, with its contents, to compare two points in time.
    pub fn contents(&self, folder: &str) -> Vec<(String, Vec<u8>)> {
        let entries = std::fs::read_dir(self.path(folder)).unwrap();
        let mut files: Vec<_> = entries
            .map(|entry| {
                let name = entry.unwrap().file_name().to_string_lossy().into_owned();
                let bytes = self.read(&format!("{folder}/{name}"));
                (name, bytes)
            })
            .filter(|(name, _)| !name.starts_with(PREFIX))
            .collect();
        files.sort();
        files
    }

    /// Checks that two runs have the same checkpoints to the byte, and the same metrics except for the speed.
    pub fn assert_same_run(&self, one: &str, other: &str) {
        for file in ["last.safetensors", "best.safetensors", "config.toml"] {
            let [a, b] = [one, other].map(|run| self.read(&format!("{run}/{file}")));
            assert!(a == b, "{file} of {one} and {other} differ");
        }
        assert_eq!(self.metrics(one), self.metrics(other));
    }

    /// The lines of a run's table, without the speed.
    pub fn metrics(&self, run: &str) -> Vec<String> {
        let text = String::from_utf8(self.read(&format!("{run}/metrics.csv"))).unwrap();
        text.lines().map(|line| line.rsplit_once(',').unwrap().0.to_owned()).collect()
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Runs a command that must succeed; returns its standard output.
pub fn succeed(command: &mut Command) -> String {
    let Output { status, stdout, stderr } = command.output().unwrap();
    assert!(status.success(), "{command:?}\n{status}\n{}{}", text(&stdout), text(&stderr));
    text(&stdout)
}

/// Runs a command that must fail with one clear message that contains these words; returns the message.
pub fn refuse(command: &mut Command, words: &[&str]) -> String {
    let Output { status, stdout, stderr } = command.output().unwrap();
    let message = text(&stderr);
    let shown = || format!("{command:?}\n{status}\n{}{message}", text(&stdout));
    assert!(matches!(status.code(), Some(1 | 2)), "an exit status of 1 or 2 is wanted: {}", shown());
    for word in words {
        assert!(message.contains(word), "{word:?} is missing: {}", shown());
    }
    assert_eq!(message.matches("error:").count(), 1, "one message is wanted: {}", shown());
    assert!(!message.contains("panicked") && !message.contains("RUST_BACKTRACE"), "{}", shown());
    message
}

/// A running command, killed by its own id when dropped.
pub struct Running(Option<Child>);

impl Running {
    pub fn start(mut command: Command) -> Running {
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        Running(Some(command.spawn().unwrap()))
    }

    /// Waits until the last checkpoint of this folder is past `step`; returns its step. The file is complete
    /// at any time.
    pub fn wait_for_step(&mut self, folder: &Path, step: u64) -> u64 {
        let start = Instant::now();
        loop {
            let now = step_of(folder);
            if now > step {
                return now;
            }
            let child = self.0.as_mut().unwrap();
            assert!(child.try_wait().unwrap().is_none(), "the run ended after step {now}");
            assert!(start.elapsed() < PATIENCE, "the run is still at step {now}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Waits until the program handles Ctrl-C itself.
    #[cfg(target_os = "linux")]
    pub fn wait_for_handler(&mut self) {
        let path = format!("/proc/{}/status", self.0.as_ref().unwrap().id());
        let start = Instant::now();
        loop {
            let status = std::fs::read_to_string(&path).unwrap();
            let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap();
            // Signal 2, SIGINT, is the second bit.
            if u64::from_str_radix(caught.trim(), 16).unwrap() & 2 != 0 {
                return;
            }
            assert!(start.elapsed() < PATIENCE, "the program handles no signals");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Kills it at once, like the system when it runs out of memory.
    pub fn kill(mut self) {
        let mut child = self.0.take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Sends Ctrl-C and waits for the end.
    #[cfg(unix)]
    pub fn interrupt(mut self) -> (Option<i32>, String, String) {
        let child = self.0.take().unwrap();
        let pid = child.id().to_string();
        assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
        let Output { status, stdout, stderr } = child.wait_with_output().unwrap();
        (status.code(), text(&stdout), text(&stderr))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// The step of a run's last checkpoint; 0 if there is none yet.
pub fn step_of(folder: &Path) -> u64 {
    let path = folder.join("last.safetensors");
    if path.exists() { pelk_train::Checkpoint::read(&path).unwrap().description.step } else { 0 }
}
