//! Writes the personal data of a submission, and the readings of its document (contract sections
//! 3.5.2, 3.5.3).

use super::style::Style;
use super::writer::JsonWriter;
use crate::simulator::people::draw::{Draw, Purpose};
use crate::simulator::people::submission::{Pipeline, Submission};

const DAY_MS: i64 = 86_400_000;

/// The members of `data` in list items.
const LISTED: [&str; 11] = [
    "name",
    "gender",
    "nationality",
    "date_of_birth",
    "address_formatted",
    "address_detail",
    "ssnNumber",
    "phoneNumber",
    "cf1",
    "cf2",
    "cf3",
];

/// Writes members of `data`, applies edits, and omits the members that lists do not contain.
struct Fields<'w, 'i> {
    w: &'w mut JsonWriter,
    style: Style<'i>,
    item: &'i Submission<'i>,
    minimal: bool,
    /// The names written, recorded only if edits may have to be added.
    written: Vec<&'static str>,
}

impl Fields<'_, '_> {
    fn text(&mut self, name: &'static str, text: &str) {
        self.with(name, |w| w.text(text));
    }

    fn day(&mut self, name: &'static str, day: i64) {
        self.with(name, |w| w.day(day));
    }

    fn with(&mut self, name: &'static str, value: impl FnOnce(&mut JsonWriter)) {
        if !self.shows(name) {
            return;
        }
        let hidden = self.item.projection == Some(0)
            && matches!(name, "documentNumber" | "identityNumber" | "ssnNumber");
        let edit = self.item.edit(name);
        self.style.hidable(self.w, name, hidden, |w| match edit {
            Some(edit) => w.text(edit),
            None => value(w),
        });
        if self.item.altered.is_some() {
            self.written.push(name);
        }
    }

    fn shows(&self, name: &str) -> bool {
        let listed = if self.minimal { LISTED.get(..4) } else { Some(LISTED.as_slice()) };
        self.style.full || listed.unwrap_or_default().contains(&name)
    }

    /// Writes edits of names that the item did not have.
    fn rest_of_edits(&mut self) {
        let Some(altered) = self.item.altered else { return };
        for (name, text) in &altered.edits {
            let elsewhere = matches!(name.as_str(), "email" | "userid");
            if !elsewhere && self.shows(name) && !self.written.contains(&name.as_str()) {
                self.w.pair(name, text);
            }
        }
    }
}

/// Writes the members of `data`.
pub(super) fn data(w: &mut JsonWriter, style: Style<'_>, item: &Submission<'_>, minimal: bool) {
    let mut draw = item.draw(Purpose::Data);
    let mut fields = Fields { w, style, item, minimal, written: Vec::new() };
    let person = &item.person;
    let day = item.created_at_ms.div_euclid(DAY_MS);
    fields.text("gender", person.gender);
    fields.text("nationality", person.nationality);
    fields.day("date_of_birth", person.birth_day);
    let unknown_age = draw.permille(20);
    fields.text("age_group", if unknown_age { "N/A" } else { person.age_group(day) });
    let address = format!("{} {} {}", person.state, person.city, person.street);
    match item.pipeline {
        Pipeline::Knowledge => {
            fields.text("name", &person.full_name);
            fields.text("ssnNumber", "***-**-****");
            fields.text("phoneNumber", &person.phone_number);
            fields.text("address_formatted", &address);
            fields.text("address_detail", draw.pick(&["101동 1203호", "Apt 4", "2층", "Unit B"]));
        }
        Pipeline::Document => document(&mut fields, &mut draw, day),
    }
    if style.full {
        let mut part = || draw.below(255) + 1;
        let address_parts = [part(), part(), part(), part()].map(|part| part.to_string());
        fields.text("ip_address", &address_parts.join("."));
        if draw.permille(400) {
            fields.text("address_input", &address);
            fields.text("address_globalCode", "8Q98GX2C+4R");
            fields.text("address_compoundCode", "GX2C+4R 서울특별시 대한민국");
        }
    }
    let custom = item.number % 4;
    for (name, value) in [("cf1", "retail"), ("cf2", "web/2"), ("cf3", "캠페인-7")] {
        if custom > 0 {
            fields.text(name, value);
        }
    }
    fields.rest_of_edits();
}

fn document(fields: &mut Fields<'_, '_>, draw: &mut Draw, day: i64) {
    let person = &fields.item.person;
    // The older pipeline filled `name` instead of the parts.
    if draw.permille(250) {
        fields.text("name", &person.full_name);
    } else {
        fields.text("first_name", person.first_name);
        fields.text("last_name", person.last_name);
        fields.text("full_name", &person.full_name);
    }
    if !fields.style.full {
        return;
    }
    let id_type = fields.item.id_type();
    fields.text("idType", id_type);
    fields.text("idcard_issuingCountry", person.nationality);
    fields.day("idcard_issueDate", day - i64::from(draw.between(30, 3000)));
    fields.day("idcard_expireDate", day + i64::from(draw.between(30, 3000)));
    if draw.permille(300) {
        fields.text("documentNumber", "********");
    } else {
        fields.text("documentNumber", &person.document_number);
    }
    if person.is_korean {
        fields.text("identityNumber", &person.identity_number);
    }
    if id_type == "residence_permit" {
        fields.text("typeOfPermit", "F-4");
        fields.text("typeOfPermitGovKor", "F-4");
        fields.day("expiryDateOfStayKor", day + 365);
        fields.text("nationalityGovKor", "미국인");
    }
    fields.text("address_city", person.city);
    fields.text("address_country", person.nationality);
    fields.text("address_state", person.state);
    fields.text("address_street", &person.street);
    fields.text("address_street2", draw.pick(&["", "3F", "지하 1층"]));
    fields.text("address_zipcode", &person.zipcode);
}

/// Writes `OCR_raw`, `ocr` and `review`.
pub(super) fn readings(w: &mut JsonWriter, style: Style<'_>, item: &Submission<'_>) {
    let hidden = item.projection == Some(2);
    if item.pipeline == Pipeline::Document {
        style.hidable(w, "OCR_raw", hidden, |w| w.object(|w| raw_reading(w, item)));
        style.hidable(w, "ocr", hidden, |w| w.object(|w| reading(w, item)));
    }
    style.hidable(w, "review", hidden, |w| w.object(|w| confirmed(w, item)));
}

fn raw_reading(w: &mut JsonWriter, item: &Submission<'_>) {
    let person = &item.person;
    let mut draw = item.draw(Purpose::Ocr);
    let turned = draw.pick(&["0", "0", "90", "270"]);
    w.key("rotate").object(|w| w.pair("value", turned));
    let fields = [
        ("address", person.street.as_str()),
        ("name", person.full_name.as_str()),
        ("first_name", person.first_name),
        ("last_name", person.last_name),
        ("nationality", person.nationality),
        ("number", person.document_number.as_str()),
        ("gender", person.gender),
        ("personal_number", person.identity_number.as_str()),
        ("authority", "경찰청장"),
    ];
    for (name, value) in fields {
        w.key(name).object(|w| {
            w.pair("value", value);
            w.key("score").number(draw.between(60, 101));
            w.key("accepted").bool(draw.permille(930));
            w.key("coordinates").object(|w| {
                for side in ["left", "top", "width", "height"] {
                    w.key(side).decimal(draw.below(10_000), 4);
                }
            });
        });
    }
}

fn reading(w: &mut JsonWriter, item: &Submission<'_>) {
    let person = &item.person;
    let day = item.created_at_ms.div_euclid(DAY_MS);
    w.key("birthDate").day(person.birth_day);
    w.key("expireDate").day(day + 900);
    w.key("issueDate").day(day - 900);
    w.pair("firstName", person.first_name);
    w.pair("lastName", person.last_name);
    w.pair("fullName", &person.full_name);
    w.pair("identityNumber", &person.identity_number);
    w.pair("nationality", person.nationality);
}

fn confirmed(w: &mut JsonWriter, item: &Submission<'_>) {
    let person = &item.person;
    let day = item.created_at_ms.div_euclid(DAY_MS);
    w.key("birthDate").day(person.birth_day);
    w.pair("fullName", &person.full_name);
    w.pair("gender", person.gender);
    w.pair("nationality", person.nationality);
    if item.pipeline == Pipeline::Document {
        w.key("issueDate").day(day - 900);
        w.key("expireDate").day(day + 900);
        w.pair("documentNumber", &person.document_number);
        w.pair("identityNumber", &person.identity_number);
    }
}
