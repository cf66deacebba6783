//! Invented people: names, birthdays, addresses, numbers.

use super::draw::{Draw, Purpose};

/// The person of a submission. Every value is invented.
#[derive(Debug)]
pub(in crate::simulator) struct Person {
    pub(in crate::simulator) is_korean: bool,
    pub(in crate::simulator) first_name: &'static str,
    pub(in crate::simulator) last_name: &'static str,
    pub(in crate::simulator) full_name: String,
    pub(in crate::simulator) gender: &'static str,
    pub(in crate::simulator) nationality: &'static str,
    /// Days since 1970; may be negative.
    pub(in crate::simulator) birth_day: i64,
    pub(in crate::simulator) phone_number: String,
    pub(in crate::simulator) city: &'static str,
    pub(in crate::simulator) state: &'static str,
    pub(in crate::simulator) street: String,
    pub(in crate::simulator) zipcode: String,
    pub(in crate::simulator) document_number: String,
    pub(in crate::simulator) identity_number: String,
}

const KOREAN_LAST: [&str; 16] = [
    "김", "이", "박", "최", "정", "강", "조", "윤", "장", "임", "한", "오", "서", "신", "권", "황",
];
const KOREAN_FIRST_MALE: [&str; 12] = [
    "민준", "서준", "도윤", "예준", "시우", "하준", "주원", "지호", "지후", "준서", "건우", "현우",
];
const KOREAN_FIRST_FEMALE: [&str; 12] = [
    "서연", "서윤", "지우", "서현", "하은", "하윤", "민서", "지유", "윤서", "채원", "수아", "지민",
];
const LATIN_LAST: [&str; 16] = [
    "Abara",
    "Brandt",
    "Costa",
    "D'Amico",
    "Eriksen",
    "Fernandes",
    "Guzmán",
    "Hoang",
    "Ibarra",
    "Johansen",
    "Kowalczyk",
    "Lindqvist",
    "Müller",
    "Nakagawa",
    "O'Rourke",
    "Petrov",
];
const LATIN_FIRST_MALE: [&str; 12] = [
    "Adrian", "Bruno", "Casper", "Diego", "Emil", "Felix", "Gabriel", "Hugo", "Ivan", "José",
    "Karl", "Liam",
];
const LATIN_FIRST_FEMALE: [&str; 12] = [
    "Alma", "Beatriz", "Clara", "Diana", "Elsa", "Freya", "Greta", "Hana", "Inês", "Julia",
    "Katya", "Lucía",
];
const NATIONALITIES: [&str; 12] =
    ["USA", "BRA", "DEU", "VNM", "JPN", "MEX", "POL", "SWE", "PHL", "GBR", "CAN", "IDN"];
const KOREAN_CITIES: [(&str, &str); 6] = [
    ("서울특별시", "강남구"),
    ("부산광역시", "해운대구"),
    ("대구광역시", "수성구"),
    ("인천광역시", "연수구"),
    ("경기도", "성남시"),
    ("제주특별자치도", "제주시"),
];
const LATIN_CITIES: [(&str, &str); 6] = [
    ("California", "Springfield"),
    ("Texas", "Riverton"),
    ("Bahia", "Porto Claro"),
    ("Bayern", "Neustadt"),
    ("Jalisco", "Santa Elena"),
    ("Ontario", "Lakeview"),
];
const KOREAN_STREETS: [&str; 6] =
    ["테헤란로", "세종대로", "중앙로", "한빛로", "은하수길", "달빛길"];
const LATIN_STREETS: [&str; 6] =
    ["Elm Street", "Harbour Road", "Rua das Flores", "Lindenallee", "Mill Lane", "Cedar Avenue"];

impl Person {
    /// The person with this number.
    pub(super) fn new(seed: u64, number: u32) -> Self {
        let mut draw = Draw::new(seed, number, Purpose::Person);
        let is_korean = draw.permille(600);
        let is_male = draw.permille(500);
        let first_names = match (is_korean, is_male) {
            (true, true) => KOREAN_FIRST_MALE,
            (true, false) => KOREAN_FIRST_FEMALE,
            (false, true) => LATIN_FIRST_MALE,
            (false, false) => LATIN_FIRST_FEMALE,
        };
        let first_name = draw.pick(&first_names);
        let last_name = draw.pick(if is_korean { &KOREAN_LAST } else { &LATIN_LAST });
        let places = if is_korean { &KOREAN_CITIES } else { &LATIN_CITIES };
        let place = usize::try_from(draw.below(6)).unwrap_or(0);
        let (state, city) = places.get(place).copied().unwrap_or_default();
        let house = draw.between(1, 400);
        let road = draw.pick(if is_korean { &KOREAN_STREETS } else { &LATIN_STREETS });
        Self {
            is_korean,
            first_name,
            last_name,
            full_name: if is_korean {
                [last_name, first_name].concat()
            } else {
                [first_name, " ", last_name].concat()
            },
            gender: if is_male { "male" } else { "female" },
            nationality: if is_korean { "KOR" } else { draw.pick(&NATIONALITIES) },
            birth_day: i64::from(draw.between(0, 21_000)) - 7_300,
            phone_number: ["+82-10-", &draw.decimal_digits(4), "-", &draw.decimal_digits(4)]
                .concat(),
            city,
            state,
            street: if is_korean { format!("{road} {house}") } else { format!("{house} {road}") },
            zipcode: draw.decimal_digits(5),
            document_number: draw.code(9).to_ascii_uppercase(),
            identity_number: [&draw.decimal_digits(6), "-", &draw.decimal_digits(1), "******"]
                .concat(),
        }
    }

    /// `minor`, `early-teen`, `teen` or `adult`, by the age on a day since 1970.
    pub(in crate::simulator) fn age_group(&self, day: i64) -> &'static str {
        match (day - self.birth_day).div_euclid(365) {
            ..12 => "minor",
            12..15 => "early-teen",
            15..19 => "teen",
            19.. => "adult",
        }
    }
}
