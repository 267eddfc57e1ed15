//! Instruction sets, and the proof that the processor has them.

use std::fmt;

#[cfg(target_arch = "aarch64")]
use crate::neon;
use crate::{Simd, portable};
#[cfg(target_arch = "x86_64")]
use crate::{avx2, avx512};

/// The environment variable that sets the level: `portable`, `avx2`, `avx512` or `neon`.
pub const LEVEL_VARIABLE: &str = "PELK_SIMD";

/// A vector instruction set that this processor is known to have.
///
/// Levels are ordered, slowest first.
///
/// ```
/// use pelk_simd::Level;
///
/// assert!(Level::available().contains(&Level::best()) && Level::PORTABLE <= Level::best());
/// assert_eq!(Level::from_name("portable"), Ok(Level::PORTABLE));
/// assert!(Level::from_name("mmx").is_err());
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Level(pub(crate) Isa);

/// An instruction set; values other than `Portable` are made only after the processor was checked.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Isa {
    Portable,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    Avx512,
    #[cfg(target_arch = "aarch64")]
    Neon,
}

/// A level that does not exist, or that this processor lacks.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum LevelError {
    /// No level has this name.
    Unknown {
        /// The name.
        name: String,
    },
    /// The level exists, but this processor does not support it.
    Unsupported {
        /// The name of the level.
        name: String,
        /// The levels that this processor supports, slowest first.
        available: Vec<Level>,
    },
}

impl fmt::Display for LevelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, choices) = match self {
            Self::Unknown { name } => {
                write!(f, "unknown SIMD level {name:?}")?;
                return write!(f, ": choose portable, avx2, avx512 or neon, or leave {LEVEL_VARIABLE} unset");
            }
            Self::Unsupported { name, available } => {
                (name, available.iter().map(|level| level.name()).collect::<Vec<_>>().join(" or "))
            }
        };
        write!(f, "this processor does not support {name}: choose {choices}, or leave {LEVEL_VARIABLE} unset")
    }
}

impl std::error::Error for LevelError {}

impl Level {
    /// Plain Rust, on every processor.
    pub const PORTABLE: Level = Level(Isa::Portable);

    /// Every level of this processor, slowest first.
    pub fn available() -> Vec<Level> {
        #[allow(unused_mut)] // some architectures have only the portable level
        let mut levels = vec![Level(Isa::Portable)];
        #[cfg(target_arch = "x86_64")]
        {
            if std::is_x86_feature_detected!("avx2") && std::is_x86_feature_detected!("fma") {
                levels.push(Level(Isa::Avx2));
            }
            if levels.len() == 2 && std::is_x86_feature_detected!("avx512f") {
                levels.push(Level(Isa::Avx512));
            }
        }
        #[cfg(target_arch = "aarch64")]
        if std::arch::is_aarch64_feature_detected!("neon") {
            levels.push(Level(Isa::Neon));
        }
        levels
    }

    /// The fastest level of this processor.
    pub fn best() -> Level {
        Level::available().into_iter().max().unwrap_or(Level::PORTABLE)
    }

    /// The level with this name.
    ///
    /// # Errors
    /// When there is no such level, or this processor lacks it.
    pub fn from_name(name: &str) -> Result<Level, LevelError> {
        let available = Level::available();
        if let Some(level) = available.iter().find(|level| level.name() == name) {
            return Ok(*level);
        }
        let name = name.to_owned();
        match &*name {
            "portable" | "avx2" | "avx512" | "neon" => Err(LevelError::Unsupported { name, available }),
            _ => Err(LevelError::Unknown { name }),
        }
    }

    /// The level that the environment variable `PELK_SIMD` names, or the best one if it is unset.
    ///
    /// # Errors
    /// Same as [`Level::from_name`].
    pub fn from_env() -> Result<Level, LevelError> {
        match std::env::var(LEVEL_VARIABLE) {
            Ok(name) => Level::from_name(&name),
            Err(std::env::VarError::NotPresent) => Ok(Level::best()),
            Err(std::env::VarError::NotUnicode(name)) => {
                Err(LevelError::Unknown { name: name.to_string_lossy().into_owned() })
            }
        }
    }

    /// `portable`, `avx2`, `avx512` or `neon`.
    pub fn name(self) -> &'static str {
        match self.0 {
            Isa::Portable => "portable",
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => "avx2",
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => "avx512",
            #[cfg(target_arch = "aarch64")]
            Isa::Neon => "neon",
        }
    }

    /// Number of `f32` in a vector.
    pub fn lanes(self) -> usize {
        match self.0 {
            Isa::Portable => portable::Portable::LANES,
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => avx2::Avx2::LANES,
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => avx512::Avx512::LANES,
            #[cfg(target_arch = "aarch64")]
            Isa::Neon => neon::Neon::LANES,
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Debug for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Level({})", self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_name_the_levels_to_choose_from() {
        let unknown = Level::from_name("sse").unwrap_err().to_string();
        assert_eq!(
            unknown,
            "unknown SIMD level \"sse\": choose portable, avx2, avx512 or neon, or leave PELK_SIMD unset"
        );
        let available = vec![Level::PORTABLE];
        let unsupported = LevelError::Unsupported { name: "avx512".to_owned(), available };
        assert_eq!(
            unsupported.to_string(),
            "this processor does not support avx512: choose portable, or leave PELK_SIMD unset"
        );
    }

    #[test]
    fn a_level_of_another_architecture_is_unsupported() {
        let foreign = if cfg!(target_arch = "aarch64") { "avx2" } else { "neon" };
        let error = Level::from_name(foreign).unwrap_err().to_string();
        assert!(error.starts_with(&format!("this processor does not support {foreign}: choose portable")));
    }

    #[test]
    fn the_best_level_of_a_64_bit_arm_processor_is_neon() {
        assert_eq!(Level::best().name() == "neon", cfg!(target_arch = "aarch64"));
    }

    #[test]
    fn every_available_level_is_found_by_its_name() {
        for level in Level::available() {
            assert_eq!(Level::from_name(level.name()), Ok(level));
        }
    }
}
