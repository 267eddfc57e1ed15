//! The full-screen display of `train --tui`: curves, recent evaluations, time left.
//!
//! Steps may take seconds, but keys must respond at once: a separate thread draws and reads keys a few times
//! a second, and training only passes it events. However the program ends, the terminal is restored first.

mod curve;
mod state;
mod view;

use crate::output::note;
use crate::progress::Display;
use anyhow::{Context, Result, bail};
use pelk_train::{MetricsRow, StepReport};
use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers};
use ratatui::crossterm::execute;
use ratatui::crossterm::terminal::{EnterAlternateScreen, enable_raw_mode};
use ratatui::{DefaultTerminal, Terminal};
pub use state::Headline;
use state::State;
use std::io::{self, IsTerminal};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Time between redraws.
const REDRAW: Duration = Duration::from_millis(250);
/// Longest time that a panic waits for drawing to end.
const PATIENCE: Duration = Duration::from_millis(200);

/// Whether the dashboard has the terminal. Static, since the program has only one terminal.
static OURS: AtomicBool = AtomicBool::new(false);
/// Held while drawing, so that nobody restores the terminal in the middle of it.
static DRAWING: Mutex<()> = Mutex::new(());

/// Raw mode for single keys, and the alternate screen, which leaves earlier output alone.
fn take_terminal() -> io::Result<DefaultTerminal> {
    enable_raw_mode()?;
    execute!(io::stdout(), EnterAlternateScreen)?;
    Terminal::new(CrosstermBackend::new(io::stdout()))
}

/// Restores the terminal if a dashboard has it: call before a message that must be read, or an exit without
/// destructors.
pub fn give_back_terminal() {
    if OURS.swap(false, Ordering::SeqCst) {
        let start = Instant::now();
        let mut drawing = DRAWING.try_lock();
        // The drawing thread may be the one that panics.
        while drawing.is_err() && start.elapsed() < PATIENCE {
            std::thread::sleep(Duration::from_millis(5));
            drawing = DRAWING.try_lock();
        }
        ratatui::restore();
    }
}

/// A run's full-screen display, until it is finished or dropped.
pub struct Dashboard {
    state: Arc<Mutex<State>>,
    closing: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Dashboard {
    /// Checks that there is a terminal to draw on and read keys from.
    ///
    /// # Errors
    /// When there is none.
    pub fn check_terminal() -> Result<()> {
        for (stream, is) in
            [("standard output", io::stdout().is_terminal()), ("standard input", io::stdin().is_terminal())]
        {
            if !is {
                bail!("--tui needs a terminal, but {stream} is not one: leave it out for plain lines");
            }
        }
        Ok(())
    }

    /// Takes the terminal. `rows` are the earlier evaluations of a resumed run; the first q or Ctrl-C sets
    /// `stop`, the second ends the program.
    ///
    /// # Errors
    /// When there is no terminal or it fails.
    pub fn open(headline: Headline, rows: &[MetricsRow], stop: Arc<AtomicBool>) -> Result<Dashboard> {
        Dashboard::check_terminal()?;
        // Panic messages, from any thread, must be readable.
        let hook = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            give_back_terminal();
            hook(panic);
        }));
        OURS.store(true, Ordering::SeqCst);
        let terminal = take_terminal().inspect_err(|_| give_back_terminal());
        let terminal = terminal.context("cannot draw on the terminal")?;
        let state = Arc::new(Mutex::new(State::new(headline, rows)));
        let closing = Arc::new(AtomicBool::new(false));
        let thread = {
            let (state, closing) = (state.clone(), closing.clone());
            std::thread::spawn(move || show(terminal, &state, &closing, &stop))
        };
        Ok(Dashboard { state, closing, thread: Some(thread) })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Display for Dashboard {
    fn step(&mut self, report: &StepReport) {
        self.state().step(report);
    }

    fn evaluation(&self, done: usize, all: usize) {
        self.state().evaluating = Some((done, all));
    }

    fn evaluated(&self, row: &MetricsRow) {
        self.state().evaluated(row);
    }

    fn line(&self, text: &str) {
        self.state().line(text);
    }

    fn finish(&mut self) {
        self.closing.store(true, Ordering::SeqCst);
        let Some(thread) = self.thread.take() else { return };
        // Its panic was reported when it happened.
        let _ = thread.join();
        give_back_terminal();
        for line in self.state().lines() {
            note!("{line}");
        }
    }
}

impl Drop for Dashboard {
    fn drop(&mut self) {
        self.finish();
    }
}

/// Draws and reads keys until the dashboard closes or the terminal is gone; training continues without it.
fn show(mut terminal: DefaultTerminal, state: &Mutex<State>, closing: &AtomicBool, stop: &AtomicBool) {
    let mut stopping = false;
    while !closing.load(Ordering::SeqCst) {
        {
            let _drawing = DRAWING.lock().unwrap_or_else(PoisonError::into_inner);
            if !OURS.load(Ordering::SeqCst) {
                return;
            }
            let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
            state.stopping = stop.load(Ordering::Relaxed);
            if state.stopping != stopping {
                stopping = state.stopping;
                // A signal handler has written over the screen.
                if terminal.clear().is_err() {
                    return;
                }
            }
            if terminal.draw(|frame| view::draw(frame, &state)).is_err() {
                return;
            }
        }
        let next = Instant::now() + REDRAW;
        while let Some(wait) = next.checked_duration_since(Instant::now()) {
            match event::poll(wait.min(REDRAW / 5)) {
                Err(_) => return,
                Ok(true) => match event::read() {
                    Ok(event) if ends(&event) && stop.swap(true, Ordering::Relaxed) => {
                        give_back_terminal();
                        std::process::exit(130);
                    }
                    // Draw at once to show that the key was received.
                    Ok(_) => break,
                    Err(_) => return,
                },
                Ok(false) if closing.load(Ordering::SeqCst) => return,
                Ok(false) => {}
            }
        }
    }
}

/// Whether the key means stop. Ctrl-C is a key here, since a terminal in raw mode does not turn it into a
/// signal.
fn ends(event: &Event) -> bool {
    let Event::Key(key) = event else { return false };
    let control = key.modifiers.contains(KeyModifiers::CONTROL);
    let asks = match key.code {
        KeyCode::Char('q' | 'Q') => !control,
        KeyCode::Char('c') => control,
        _ => false,
    };
    asks && key.kind == KeyEventKind::Press
}

#[cfg(test)]
mod tests {
    use super::*;
    use ratatui::crossterm::event::KeyEvent;

    #[test]
    fn q_and_ctrl_c_ask_for_the_end_and_nothing_else_does() {
        let ends = |code, modifiers| ends(&Event::Key(KeyEvent::new(code, modifiers)));
        assert!(ends(KeyCode::Char('q'), KeyModifiers::NONE));
        assert!(ends(KeyCode::Char('Q'), KeyModifiers::SHIFT));
        assert!(ends(KeyCode::Char('c'), KeyModifiers::CONTROL));
        for (code, modifiers) in [
            (KeyCode::Char('c'), KeyModifiers::NONE),
            (KeyCode::Char('q'), KeyModifiers::CONTROL),
            (KeyCode::Esc, KeyModifiers::NONE),
        ] {
            assert!(!ends(code, modifiers), "{code:?}");
        }
        assert!(!super::ends(&Event::Resize(80, 24)));
    }
}
