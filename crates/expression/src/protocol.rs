//! What parent and worker say to each other: frames of a length and a payload, over one socket.
//!
//! ```text
//! parent → worker   Limits as JSON                                     once
//! worker → parent   Ready as JSON                                      once
//! parent → worker   programs, inputs, tasks                            a request
//! worker → parent   outcomes, in the order of the tasks, in as many frames as it likes;
//!                   between them, where asked for, the number and place of the evaluation that begins
//! ```
//!
//! Both ends are the same program, so the bytes have no version. The parent trusts lengths and tags no further than a
//! stranger's: a worker that ran a hostile program may say anything.

use std::{
    collections::HashMap,
    io::{self, Read, Write},
};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::{
    Output, Want,
    job::{Ask, Outcome, Task},
};

/// The largest frame: room for one input of 64 MiB and the programs that read it.
pub(crate) const FRAME_BYTES: usize = 128 << 20;

/// The worker's first words.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Ready {
    /// The measures of confinement that this system does not offer.
    pub(crate) missing: Vec<String>,
}

pub(crate) fn write_frame(to: &mut impl Write, payload: &[u8]) -> io::Result<()> {
    let length =
        u32::try_from(payload.len()).map_err(|_too_long| malformed("a frame is too long to write"))?;
    // One write, and so one wake-up of the other end, where the socket has room.
    let mut frame = Vec::with_capacity(payload.len() + 4);
    frame.extend_from_slice(&length.to_le_bytes());
    frame.extend_from_slice(payload);
    to.write_all(&frame)
}

/// Reads a frame into a buffer. `false`: the other end is gone.
pub(crate) fn read_frame(from: &mut impl Read, payload: &mut Vec<u8>) -> io::Result<bool> {
    let mut length = [0; 4];
    match from.read_exact(&mut length) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(false),
        result => result?,
    }
    let length = u32::from_le_bytes(length);
    if usize::try_from(length).map_or(true, |length| length > FRAME_BYTES) {
        return Err(malformed("a frame is too long to read"));
    }
    payload.clear();
    // Grows with what arrives, not with what is promised.
    let read = from.take(u64::from(length)).read_to_end(payload)?;
    if read < length as usize {
        Err(io::ErrorKind::UnexpectedEof.into())
    } else {
        Ok(true)
    }
}

fn malformed(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

/// Tasks as the worker sees them: programs and inputs once each, tasks pointing at them.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Request<'f> {
    pub(crate) programs: Vec<&'f str>,
    pub(crate) inputs: Vec<&'f [u8]>,
    pub(crate) tasks: Vec<Pointers>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pointers {
    pub(crate) program: usize,
    pub(crate) input: usize,
    pub(crate) ask: Ask,
}

/// Writes a request. Equal programs go once; inputs go once if they are clones of one `Bytes`.
pub(crate) fn encode_request(tasks: &[&Task]) -> Vec<u8> {
    let (mut programs, mut inputs) = (Distinct::default(), Distinct::default());
    let mut pointers = Vec::new();
    for task in tasks {
        let program = programs.index(&*task.program, task.program.as_bytes());
        let input = inputs.index((task.input.as_ptr(), task.input.len()), &task.input);
        push_number(&mut pointers, program);
        push_number(&mut pointers, input);
        pointers.push(tag_of_ask(task.ask));
    }
    let mut payload = Vec::with_capacity(programs.bytes.len() + inputs.bytes.len() + pointers.len() + 12);
    push_number(&mut payload, programs.indices.len());
    payload.extend_from_slice(&programs.bytes);
    push_number(&mut payload, inputs.indices.len());
    payload.extend_from_slice(&inputs.bytes);
    push_number(&mut payload, tasks.len());
    payload.extend_from_slice(&pointers);
    payload
}

/// Numbers things and writes each at its first sight.
struct Distinct<K> {
    indices: HashMap<K, usize>,
    bytes: Vec<u8>,
}

impl<K> Default for Distinct<K> {
    fn default() -> Self {
        Self {
            indices: HashMap::new(),
            bytes: Vec::new(),
        }
    }
}

impl<K: std::hash::Hash + Eq> Distinct<K> {
    fn index(&mut self, key: K, thing: &[u8]) -> usize {
        let next = self.indices.len();
        *self.indices.entry(key).or_insert_with(|| {
            push_bytes(&mut self.bytes, thing);
            next
        })
    }
}

impl<'f> Request<'f> {
    pub(crate) fn decode(payload: &'f [u8]) -> io::Result<Self> {
        let mut reader = Reader(payload);
        let programs = reader.list(|reader| {
            std::str::from_utf8(reader.bytes()?).map_err(|_not_utf8| malformed("a program is not UTF-8"))
        })?;
        let inputs = reader.list(Reader::bytes)?;
        let tasks = reader.list(|reader| {
            Ok(Pointers {
                program: reader.number()?,
                input: reader.number()?,
                ask: ask_of_tag(reader.byte()?)?,
            })
        })?;
        if !tasks
            .iter()
            .all(|task| task.program < programs.len() && task.input < inputs.len())
        {
            return Err(malformed("a task points nowhere"));
        }
        Ok(Self {
            programs,
            inputs,
            tasks,
        })
    }
}

fn tag_of_ask(ask: Ask) -> u8 {
    match ask {
        Ask::Check => 0,
        Ask::Evaluate(Want::Boolean) => 1,
        Ask::Evaluate(Want::Value) => 2,
        Ask::Evaluate(Want::Text) => 3,
        Ask::Guest { is_named: false } => 4,
        Ask::Guest { is_named: true } => 5,
    }
}

fn ask_of_tag(tag: u8) -> io::Result<Ask> {
    match tag {
        0 => Ok(Ask::Check),
        1 => Ok(Ask::Evaluate(Want::Boolean)),
        2 => Ok(Ask::Evaluate(Want::Value)),
        3 => Ok(Ask::Evaluate(Want::Text)),
        4 => Ok(Ask::Guest { is_named: false }),
        5 => Ok(Ask::Guest { is_named: true }),
        _ => Err(malformed("a task asks for nothing known")),
    }
}

/// Outcomes of a request, some of them or all.
#[derive(Debug, Default)]
pub(crate) struct Answers {
    payload: Vec<u8>,
    count: usize,
}

impl Answers {
    pub(crate) fn push(&mut self, outcome: &Outcome) {
        self.count += 1;
        match outcome {
            Ok(None) => self.payload.push(0),
            Ok(Some(Output::Boolean(false))) => self.payload.push(1),
            Ok(Some(Output::Boolean(true))) => self.payload.push(2),
            Ok(Some(Output::Value(json))) => self.push_tagged(3, json),
            Ok(Some(Output::Text(None))) => self.payload.push(4),
            Ok(Some(Output::Text(Some(text)))) => self.push_tagged(5, text.as_bytes()),
            Err(error) => {
                let json = serde_json::to_vec(error).expect("an error is plain data, which has a JSON form");
                self.push_tagged(6, &json);
            }
        }
    }

    fn push_tagged(&mut self, tag: u8, bytes: &[u8]) {
        self.payload.push(tag);
        push_bytes(&mut self.payload, bytes);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.count == 0
    }

    pub(crate) fn byte_length(&self) -> usize {
        self.payload.len()
    }

    /// Ends a frame. `is_spent`: the worker asks to be replaced after this request.
    pub(crate) fn take_frame(&mut self, is_spent: bool) -> Vec<u8> {
        let mut payload = vec![u8::from(is_spent)];
        push_number(&mut payload, std::mem::take(&mut self.count));
        payload.append(&mut self.payload);
        payload
    }

    /// Reads a frame.
    pub(crate) fn decode(payload: &[u8]) -> io::Result<Said> {
        let mut reader = Reader(payload);
        let is_spent = match reader.byte()? {
            0 => false,
            1 => true,
            EVALUATION => {
                let number = u32::try_from(reader.number()?);
                let place = std::str::from_utf8(reader.bytes()?);
                return Ok(Said::Evaluation(
                    number.map_err(|_too_large| malformed("a number is too large"))?,
                    place
                        .map_err(|_not_utf8| malformed("a place is not UTF-8"))?
                        .to_owned(),
                ));
            }
            _ => return Err(malformed("a frame is of no known kind")),
        };
        let outcomes = reader.list(|reader| {
            Ok(match reader.byte()? {
                0 => Ok(None),
                1 => Ok(Some(Output::Boolean(false))),
                2 => Ok(Some(Output::Boolean(true))),
                3 => Ok(Some(Output::Value(Bytes::copy_from_slice(reader.bytes()?)))),
                4 => Ok(Some(Output::Text(None))),
                5 => {
                    let text = String::from_utf8(reader.bytes()?.to_vec());
                    Ok(Some(Output::Text(Some(
                        text.map_err(|_not_utf8| malformed("a text is not UTF-8"))?,
                    ))))
                }
                6 => Err(serde_json::from_slice(reader.bytes()?)?),
                _ => return Err(malformed("an outcome is of no known kind")),
            })
        })?;
        Ok(Said::Outcomes { is_spent, outcomes })
    }
}

/// The first byte of a frame that announces an evaluation.
const EVALUATION: u8 = 2;

/// What a worker says in a frame.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Said {
    /// The next outcomes.
    Outcomes {
        /// It asks to be replaced after this request.
        is_spent: bool,
        /// In the order of the tasks.
        outcomes: Vec<Outcome>,
    },
    /// The evaluation of this number, at this place, begins.
    Evaluation(u32, String),
}

/// The frame that announces an evaluation.
pub(crate) fn evaluation_frame(number: u32, place: &str) -> Vec<u8> {
    let mut payload = vec![EVALUATION];
    payload.extend_from_slice(&number.to_le_bytes());
    push_bytes(&mut payload, place.as_bytes());
    payload
}

fn push_number(to: &mut Vec<u8>, number: usize) {
    let number = u32::try_from(number).expect("counts and lengths fit because frames are far below 4 GiB");
    to.extend_from_slice(&number.to_le_bytes());
}

fn push_bytes(to: &mut Vec<u8>, bytes: &[u8]) {
    push_number(to, bytes.len());
    to.extend_from_slice(bytes);
}

/// Takes a payload apart from its front.
struct Reader<'f>(&'f [u8]);

impl<'f> Reader<'f> {
    fn take(&mut self, length: usize) -> io::Result<&'f [u8]> {
        let (taken, rest) = self
            .0
            .split_at_checked(length)
            .ok_or_else(|| malformed("a frame ends too early"))?;
        self.0 = rest;
        Ok(taken)
    }

    fn byte(&mut self) -> io::Result<u8> {
        let (byte, rest) = self
            .0
            .split_first()
            .ok_or_else(|| malformed("a frame ends too early"))?;
        self.0 = rest;
        Ok(*byte)
    }

    fn number(&mut self) -> io::Result<usize> {
        let bytes = self
            .take(4)?
            .try_into()
            .expect("four bytes because four were taken");
        Ok(u32::from_le_bytes(bytes) as usize)
    }

    fn bytes(&mut self) -> io::Result<&'f [u8]> {
        let length = self.number()?;
        self.take(length)
    }

    fn list<T>(&mut self, mut item: impl FnMut(&mut Self) -> io::Result<T>) -> io::Result<Vec<T>> {
        // Grows with what is there: the count is only a promise.
        (0..self.number()?).map(|_| item(self)).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

    use proptest::prelude::*;

    use super::*;
    use crate::{Account, CompileError, ExpressionError, NotJson, StopCause};

    fn ask() -> impl Strategy<Value = Ask> {
        (0..6u8).prop_map(|tag| ask_of_tag(tag).unwrap())
    }

    fn outcome() -> impl Strategy<Value = Outcome> {
        prop_oneof![
            Just(Ok(None)),
            any::<bool>().prop_map(|value| Ok(Some(Output::Boolean(value)))),
            any::<Vec<u8>>().prop_map(|json| Ok(Some(Output::Value(json.into())))),
            any::<Option<String>>().prop_map(|text| Ok(Some(Output::Text(text)))),
            any::<String>().prop_map(|message| Err(ExpressionError::Failed { message })),
            Just(Err(CompileError {
                line: 1,
                column: 2,
                message: "no".to_owned()
            }
            .into())),
            Just(Err(NotJson::NonFinite.into())),
            Just(Err(ExpressionError::Stopped(StopCause::Time {
                limit: Duration::from_secs(1)
            }))),
        ]
    }

    proptest! {
        #[test]
        fn a_request_arrives_as_it_was_sent(tasks in proptest::collection::vec(("[a-c]", "[0-9]{0,2}", ask()), 0..20)) {
            let inputs: HashMap<String, Bytes> =
                tasks.iter().map(|(_, input, _)| (input.clone(), Bytes::from(input.clone()))).collect();
            let tasks: Vec<_> = tasks
                .into_iter()
                .map(|(program, input, ask)| Task { program: Arc::from(program), input: inputs[&input].clone(), ask, account: Account::Program, spent: Duration::ZERO, evaluates: true })
                .collect();
            let payload = encode_request(&tasks.iter().collect::<Vec<_>>());
            let request = Request::decode(&payload).unwrap();

            prop_assert!(request.programs.len() <= 3);
            prop_assert!(request.inputs.len() <= inputs.len());
            prop_assert_eq!(request.tasks.len(), tasks.len());
            for (task, pointers) in tasks.iter().zip(&request.tasks) {
                prop_assert_eq!(request.programs[pointers.program], &*task.program);
                prop_assert_eq!(request.inputs[pointers.input], &*task.input);
                prop_assert_eq!(pointers.ask, task.ask);
            }
        }

        #[test]
        fn outcomes_arrive_as_they_were_sent(outcomes in proptest::collection::vec(outcome(), 0..20), is_spent: bool) {
            let mut answers = Answers::default();
            for outcome in &outcomes {
                answers.push(outcome);
            }
            prop_assert_eq!(Answers::decode(&answers.take_frame(is_spent)).unwrap(), Said::Outcomes { is_spent, outcomes });
            prop_assert!(answers.is_empty());
        }

        #[test]
        fn no_bytes_make_a_reader_panic(payload: Vec<u8>) {
            let _ = Request::decode(&payload);
            let _ = Answers::decode(&payload);
            let _ = read_frame(&mut payload.as_slice(), &mut Vec::new());
        }
    }

    #[test]
    fn an_announced_evaluation_arrives() {
        assert_eq!(
            Answers::decode(&evaluation_frame(7, "/do/0/a")).unwrap(),
            Said::Evaluation(7, "/do/0/a".to_owned())
        );
    }

    #[test]
    fn a_frame_that_promises_too_much_is_refused() {
        let mut frame = u32::MAX.to_le_bytes().to_vec();
        frame.extend_from_slice(b"short");
        assert!(read_frame(&mut frame.as_slice(), &mut Vec::new()).is_err());
    }
}
