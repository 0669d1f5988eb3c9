//! `readyc send`: messages from the command line, a person, or a pipe.

use crate::Server;
use crate::failure::Failure;
use crate::output::print_answer;
use readyd::client::conversations::Chat;
use readyd::client::{Finished, SessionError};
use rustyline::DefaultEditor;
use rustyline::error::ReadlineError;
use std::io::{self, BufRead, IsTerminal};

/// Sends each message when the one before was answered, then `Disconnect !`.
///
/// The loop does not run while a person types. Events on the connection can wait: the loop sees
/// them before the next message is sent.
pub(crate) fn run(server: &Server, messages: &[String]) -> Result<(), Failure> {
    let mut source = Source::new(messages)?;
    let (mut reactor, mut pool) = server.pool([Chat::default()], 1)?;
    reactor.run(&mut pool).map_err(Failure::Reactor)?;
    while pool.finished().is_empty() {
        let mut outcome = Ok(());
        pool.resume(|chat| outcome = next_message(chat, &mut source));
        outcome?;
        reactor.run(&mut pool).map_err(Failure::Reactor)?;
    }
    match pool.into_finished().pop() {
        Some(Finished { mut conversation, result }) => {
            // A server that closes may say why in its last answer.
            let answer = conversation.take_answer();
            answer.iter().try_for_each(|answer| print_answer(answer))?;
            let is_refusal = answer.is_some_and(|answer| answer.starts_with(b"Error: "));
            result.map_err(|error| match error {
                SessionError::ClosedEarly { received: 0 } if is_refusal => Failure::Refused,
                error => Failure::Session(error),
            })
        }
        None => Ok(()),
    }
}

fn next_message(chat: &mut Chat, source: &mut Source<'_>) -> Result<(), Failure> {
    print_last(chat)?;
    chat.send(source.next()?);
    Ok(())
}

fn print_last(chat: &mut Chat) -> Result<(), Failure> {
    chat.take_answer().map_or(Ok(()), |answer| print_answer(&answer))
}

/// Where messages come from.
enum Source<'a> {
    Arguments(std::slice::Iter<'a, String>),
    Terminal(Box<DefaultEditor>),
    Pipe(io::StdinLock<'static>),
}

impl<'a> Source<'a> {
    fn new(messages: &'a [String]) -> Result<Source<'a>, Failure> {
        if !messages.is_empty() {
            return Ok(Source::Arguments(messages.iter()));
        }
        let stdin = io::stdin();
        if !stdin.is_terminal() {
            return Ok(Source::Pipe(stdin.lock()));
        }
        DefaultEditor::new()
            .map(|editor| Source::Terminal(Box::new(editor)))
            .map_err(|error| Failure::Input(io::Error::other(error)))
    }

    /// The next message; `None` at the end of the input.
    fn next(&mut self) -> Result<Option<Vec<u8>>, Failure> {
        match self {
            Source::Arguments(messages) => {
                Ok(messages.next().map(|message| message.clone().into_bytes()))
            }
            Source::Terminal(editor) => match editor.readline("> ") {
                Ok(line) => {
                    // An error of the history does not keep the line from being sent.
                    let _ = editor.add_history_entry(&line);
                    Ok(Some(line.into_bytes()))
                }
                Err(ReadlineError::Eof | ReadlineError::Interrupted) => Ok(None),
                Err(error) => Err(Failure::Input(io::Error::other(error))),
            },
            Source::Pipe(stdin) => {
                let mut line = Vec::new();
                if stdin.read_until(b'\n', &mut line).map_err(Failure::Input)? == 0 {
                    return Ok(None);
                }
                let text = line.strip_suffix(b"\n").unwrap_or(&line);
                Ok(Some(text.strip_suffix(b"\r").unwrap_or(text).to_vec()))
            }
        }
    }
}
