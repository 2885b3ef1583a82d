//! Questions to the jail, however many, in requests that it takes.

use expression::{ExpressionError, Jail, JailError, Job, Output};

/// Expressions in one request. More make another, so that a workspace with slow ones takes turns with its neighbours.
const REQUEST_JOBS: usize = 256;

/// Bytes of inputs in one request: an eighth of what the jail takes.
const REQUEST_BYTES: usize = 16 << 20;

/// Answers all jobs, in their order.
pub(crate) async fn ask(
    jail: &Jail,
    jobs: Vec<Job>,
) -> Result<Vec<Result<Output, ExpressionError>>, JailError> {
    let mut answers = Vec::with_capacity(jobs.len());
    let (mut request, mut bytes) = (Vec::new(), 0_usize);
    for job in jobs {
        bytes = bytes.saturating_add(job.input.len());
        if !request.is_empty() && (request.len() == REQUEST_JOBS || bytes > REQUEST_BYTES) {
            bytes = job.input.len();
            answers.extend(jail.evaluate(std::mem::take(&mut request)).await?);
        }
        request.push(job);
    }
    if !request.is_empty() {
        answers.extend(jail.evaluate(request).await?);
    }
    Ok(answers)
}
