//! The words of the vendor's error messages that may be shown (I8).
//!
//! A message may quote a name, an address or a document of the call. No pattern detects these, so
//! only words from the documents (contract section 9) and from gateways are shown.

use super::redaction::BLANK;

/// Most digits of a number that is shown; a longer one may identify a person.
const DIGITS_MAX: usize = 3;

/// The words that are shown, in lower case.
const WORDS: &str = "
    a access address admin adminname admin_name after again all all_submissions_failed allowed an
    and any api apikey application are argument at auth auth_id authentication authid authorization
    authorized backend bad be because been before body by bytes can cannot change character check
    client code comment configuration connection content count create_date credentials data date day
    decrypt decrypted decrypting decryption delete deleted denied deny did different disabled does
    document due email empty enabled encrypt encrypted encryption end end_date enddate endpoint
    entity error errorcode exceed exceeded exceeds exist existing exists expected expired explicit
    faceauth faceauth_project fail failed field forbidden format found from gateway get given had
    has have header http id idtype image in input internal internal_server_error invalid
    invalid_admin invalid_data invalid_format invalid_idtype invalid_parameter invalid_path
    invalid_payload invalid_project invalid_submission invalid_submissionids invalid_worklist is it
    item items json key kyc large last later least length limit limited list long maintenance
    malformed many match max maximum member message method migration min minimum missing
    missing_data missing_required_parameters modify must name nextkey nextkey_date nextkey_id
    nextpage nextpage_date nextpage_id nextpage_key no not not_found null number object of on one
    only operation or out overloaded page parameter parameters parse parsing path payload pending
    permission please post process processing processing_error processing_failed project project_id
    projectid property provided put query quota rate read reason received record records refused
    reject rejected request requests request_type requested required resource response result retry
    review reviewable same secret server service signature size slow soon start start_date startdate
    status statuscode string submission submission_id submission_not_found submissionid submissions
    such supported syntax temporarily test than that the this throttled throttling time timed
    timeout timestamp to today token too traceid try type unable unauthorized unavailable unexpected
    unknown unprocessable unsupported update upstream url usage use used user userid valid
    validation value values version was were when while window with without workflow worklist wrong
    x you your
";

/// Returns the text with a blank for all words but these.
pub(super) fn known_words(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    // The end of the last blank, until a word follows it.
    let mut after_blank = None;
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let is_word = is_part(first);
        let end = rest.find(|char| is_part(char) != is_word).unwrap_or(rest.len());
        let (token, following) = rest.split_at(end);
        rest = following;
        if !is_word {
            shown.push_str(token);
            if let Some(blank) = token.rfind(BLANK) {
                after_blank = Some(shown.len() - token.len() + blank + BLANK.len());
            }
        } else if is_known(token) {
            shown.push_str(token);
            after_blank = None;
        } else {
            shown.truncate(after_blank.unwrap_or(shown.len()));
            if after_blank.is_none() {
                shown.push_str(BLANK);
            }
            after_blank = Some(shown.len());
        }
    }
    shown
}

fn is_part(char: char) -> bool {
    char.is_alphanumeric() || char == '_'
}

fn is_known(word: &str) -> bool {
    if word.bytes().all(|byte| byte.is_ascii_digit()) {
        return word.len() <= DIGITS_MAX;
    }
    WORDS.split_ascii_whitespace().any(|known| known.eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_documents_say_is_shown_and_nothing_else() {
        for (text, shown) in [
            ("invalid format: start_date", "invalid format: start_date"),
            ("faceAuth_project not found", "faceAuth_project not found"),
            (
                "Decryption is Failed. Please check the api-key.",
                "Decryption is Failed. Please check the api-key.",
            ),
            ("adminName and comment is required", "adminName and comment is required"),
            ("Too Many Requests", "Too Many Requests"),
            ("no user Ada Lovelace, 12 St James's Square", "no user ‹…›, 12 ‹…›"),
            ("invalid email: ada.lovelace@mail.example", "invalid email: ‹…›"),
            ("홍길동 not found", "‹…› not found"),
            ("passport M12345678 / 900101-1234567", "‹…›"),
            ("‹…› y 400", "‹…› 400"),
            ("", ""),
        ] {
            assert_eq!(known_words(text), shown, "{text}");
        }
    }
}
