//! One table of exit codes for every command.
//!
//! 0 done · 1 other · 2 usage or invalid file · 3 not found · 4 conflict · 5 not allowed · 6 cannot reach, no leader or no
//! quorum · 7 waited too long · 10–13 the job's own outcome · 130 interrupted

use muster_client::ClientError;
use muster_wire::api::Problem;

/// Done.
pub(crate) const DONE: u8 = 0;
/// Any other error.
pub(crate) const OTHER: u8 = 1;
/// Wrong usage or an invalid file.
pub(crate) const USAGE: u8 = 2;
/// Waited too long.
pub(crate) const TIMED_OUT: u8 = 7;
/// Interrupted by the user; the job goes on.
pub(crate) const INTERRUPTED: u8 = 130;

const BY_STATUS: [(u16, u8); 12] = [
    (400, 2),
    (413, 2),
    (415, 2),
    (422, 2),
    (404, 3),
    (410, 3),
    (409, 4),
    (401, 5),
    (403, 5),
    (503, 6),
    (429, 6),
    (504, 7),
];

/// The code of a failed call.
pub(crate) fn of_error(error: &ClientError) -> u8 {
    match error {
        ClientError::Problem(problem) => of_problem(problem),
        ClientError::Unreachable { .. } | ClientError::Broken(_) => 6,
        ClientError::TimedOut { last, .. } => of_problem(last),
        ClientError::Unexpected { .. } => OTHER,
        ClientError::BadUrl(_) => USAGE,
    }
}

fn of_problem(problem: &Problem) -> u8 {
    BY_STATUS.iter().find(|(status, _)| *status == problem.status).map_or(OTHER, |(_, code)| *code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_of_the_contract_has_its_exit_code() {
        let expected =
            [(404, 3), (409, 4), (422, 2), (413, 2), (401, 5), (403, 5), (503, 6), (429, 6), (500, 1)];
        for (status, code) in expected {
            let text = format!(r#"{{"status":{status},"code":"x"}}"#);
            let problem: Problem = serde_json::from_str(&text).unwrap();
            assert_eq!(of_problem(&problem), code, "{status}");
        }
    }
}
