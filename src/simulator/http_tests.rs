//! Tests of the simulator over real HTTP: calls, keys, filters, faults, control.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::*;
use crate::domain::{Day, Stream};

struct Server {
    simulation: Simulation,
    address: String,
    client: reqwest::Client,
}

impl Server {
    async fn start() -> Self {
        let from = Day::from_ymd_opt(2024, 1, 1).unwrap();
        let to = from + chrono::Days::new(10);
        let population = Population { seed: 9, submissions: 1000, faceauths: 400, from, to };
        let project = |key: &str, stream| SimulatedProject {
            key: key.to_owned(),
            stream,
            population: population.clone(),
        };
        let simulation = Simulation::new(vec![
            project("main", Stream::Submission),
            project("face", Stream::Faceauth),
        ]);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(serve(listener, simulation.clone(), std::future::pending()));
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { simulation, address, client }
    }

    async fn send(&self, key: &str, path: &str) -> reqwest::Result<(u16, String)> {
        let request = self.client.get(format!("{}/v3/{path}", self.address));
        let answer = request.header("x-api-key", key).send().await?;
        Ok((answer.status().as_u16(), answer.text().await?))
    }

    async fn get(&self, key: &str, path: &str) -> (u16, Value) {
        let (status, body) = self.send(key, path).await.unwrap();
        (status, serde_json::from_str(&body).unwrap())
    }

    async fn items(&self, path: &str) -> Vec<Value> {
        let (status, body) = self.get("main", path).await;
        assert_eq!(status, 200, "{body}");
        body["Items"].as_array().unwrap().clone()
    }

    fn knobs(&self, key: &str, turn: impl FnOnce(&mut Knobs)) {
        let mut knobs = self.simulation.knobs(key).unwrap();
        turn(&mut knobs);
        self.simulation.set_knobs(key, knobs).unwrap();
    }
}

#[tokio::test]
async fn a_detail_call_is_the_truth_but_for_signed_addresses() {
    let server = Server::start().await;
    for id in server.simulation.submission_ids("main").take(20) {
        let mut items = server.items(&format!("submission?submission_id={id}")).await;
        let truth = server.simulation.submission("main", &id).unwrap();
        let mut truth: Value = serde_json::from_slice(&truth).unwrap();
        for item in [&mut items[0], &mut truth] {
            item["image"] = Value::Null;
            item["kyc"]["attempts"].as_array_mut().into_iter().flatten().for_each(|attempt| {
                attempt["selfieImage"] = Value::Null;
            });
        }
        assert_eq!(items, [truth]);
    }
}

#[tokio::test]
async fn addresses_of_images_change_with_every_call() {
    let server = Server::start().await;
    let first = server.items("submission?count=50").await;
    let second = server.items("submission?count=50").await;
    let item = (0..50).find(|index| first[*index].pointer("/image/idImage").is_some()).unwrap();
    assert_ne!(first[item]["image"]["idImage"], second[item]["image"]["idImage"]);
    assert_eq!(first[item]["data"], second[item]["data"]);
}

#[tokio::test]
async fn a_walk_over_http_finds_all() {
    let server = Server::start().await;
    for order in [Order::Ascending, Order::Descending, Order::ShuffledTies, Order::ShuffledPages] {
        for time_format in [TimeFormat::Iso, TimeFormat::Dashed] {
            server.knobs("main", |knobs| {
                (knobs.order, knobs.time_format, knobs.empty_page_every) = (order, time_format, 3);
            });
            let (mut seen, mut path) = (BTreeSet::new(), "submission?count=90".to_owned());
            loop {
                let (_, body) = server.get("main", &path).await;
                for item in body["Items"].as_array().unwrap() {
                    assert!(seen.insert(item["submission_id"].as_str().unwrap().to_owned()));
                }
                let Some(key) = body.get("nextpageKey") else { break };
                let text = |name: &str| key[name].as_str().unwrap().to_owned();
                let (id, date) = (text("id"), text("created_at"));
                path = format!("submission?count=90&nextpage_id={id}&nextpage_date={date}");
            }
            assert_eq!(seen, server.simulation.submission_ids("main").collect());
        }
    }
}

#[tokio::test]
async fn face_authentications_are_walked_by_their_own_names() {
    let server = Server::start().await;
    let mut path = "faceauth?count=150&startDate=2024-01-01&endDate=2024-01-20".to_owned();
    let mut seen = 0;
    loop {
        let (_, body) = server.get("face", &path).await;
        seen += body[0]["data"].as_array().unwrap().len();
        let Some(key) = body[0].get("nextPage_key") else { break };
        let (id, time) = (key["authId"].as_str().unwrap(), key["createTime"].as_str().unwrap());
        path = format!(
            "faceauth?count=150&startDate=2024-01-01&endDate=2024-01-20&nextKey_id={id}&nextKey_date={time}"
        );
    }
    assert_eq!(seen, 400);
    let id = server.simulation.faceauth_ids("face").next().unwrap();
    server.knobs("face", |knobs| knobs.faceauth_shape = FaceauthShape::FlatSingle);
    let (_, body) = server.get("face", &format!("faceauth?authId={id}")).await;
    assert_eq!(body[0]["auth_id"], *id);
    let (_, body) = server.get("face", "faceauth?authId=nobody").await;
    assert_eq!(body, json!([]));
}

#[tokio::test]
async fn dates_filter_as_the_knobs_say() {
    let server = Server::start().await;
    let one_day = "submission?count=2000&start_date=2024-01-03&end_date=2024-01-03";
    let days = |items: &[Value]| -> BTreeSet<String> {
        items
            .iter()
            .map(|item| item["created_at"].as_str().unwrap().chars().take(10).collect())
            .collect()
    };
    assert_eq!(days(&server.items(one_day).await), BTreeSet::from(["2024-01-03".to_owned()]));
    server.knobs("main", |knobs| knobs.filter_zone = FilterZone::Kst);
    assert_eq!(days(&server.items(one_day).await).len(), 2);
    server.knobs("main", |knobs| knobs.end_exclusive = true);
    assert!(server.items(one_day).await.is_empty());
    server.knobs("main", |knobs| knobs.date_format = DateFormat::Compact);
    let (status, body) = server.get("main", one_day).await;
    assert_eq!((status, &body["errorCode"]), (400, &json!("invalid_format")));
    assert!(!server.items("submission?start_date=20240103&end_date=20240104").await.is_empty());
    server.knobs("main", |knobs| knobs.dated_lists_are_empty = true);
    assert!(server.items("submission?start_date=20240103&end_date=20240104").await.is_empty());
}

#[tokio::test]
async fn all_submissions_of_a_person_are_found() {
    let server = Server::start().await;
    let all = server.items("submission?count=2000").await;
    let mut several = 0;
    for item in all.iter().take(60) {
        for (parameter, field) in [("userid", "userid"), ("email", "email")] {
            let Some(wanted) = item.get(field).and_then(Value::as_str) else { continue };
            let found = server.items(&format!("submission?{parameter}={wanted}")).await;
            let ids = |items: &[Value]| -> BTreeSet<String> {
                items.iter().map(|item| item["submission_id"].to_string()).collect()
            };
            // Minimal list items omit their user id.
            let shown: Vec<_> = all.iter().filter(|one| one[field] == wanted).cloned().collect();
            assert!(ids(&found).is_superset(&ids(&shown)), "{parameter}");
            several += usize::from(found.len() > 1);
        }
        let single =
            format!("submission?submission_id={}", item["submission_id"].as_str().unwrap());
        let single = server.items(&single).await;
        if let Some(applicant) = single[0].get("applicant_id").and_then(Value::as_str) {
            let path = format!("submission/applicant?applicant_id={applicant}");
            let (_, body) = server.get("main", &path).await;
            assert!(body.as_array().unwrap().iter().any(|one| {
                one["submission_id"] == item["submission_id"] && one["email"] == item["email"]
            }));
        }
    }
    assert!(several > 0);
}

#[tokio::test]
async fn parts_hold_what_was_asked_for() {
    let server = Server::start().await;
    for (part, members) in [("kyc", 2), ("aml", 2), ("data", 2)] {
        server.knobs("main", |knobs| knobs.full_list_items = true);
        server.knobs("main", |knobs| knobs.deleted_permille = 0);
        let items = server.items(&format!("submission?request_type={part}")).await;
        assert!(items.iter().all(|item| item.as_object().unwrap().len() == members));
        assert!(items.iter().all(|item| item.get(part).is_some()));
    }
    let items = server.items("submission?request_type=others").await;
    assert!(items.iter().all(|item| item.get("kyc").is_none() && item.get("email").is_some()));
}

#[tokio::test]
async fn wrong_calls_are_refused_as_the_vendor_does() {
    let server = Server::start().await;
    let (status, body) = server.get("face", "submission").await;
    assert_eq!((status, body), (403, json!({"message": "Forbidden"})));
    let (status, body) = server.get("main", "faceauth").await;
    assert_eq!((status, &body["message"]), (400, &json!("faceAuth_project not found")));
    assert!(body["traceId"].is_string());
    for path in ["submission?page=1", "faceauth?auth_id=1"] {
        let key = if path.starts_with('s') { "main" } else { "face" };
        let (status, body) = server.get(key, path).await;
        assert_eq!((status, &body["errorCode"]), (400, &json!("invalid_parameter")));
    }
    for (path, code) in [
        ("submission?count=many", "invalid_format"),
        ("submission?nextpage_id=abc", "missing_data"),
        ("submission?nextpage_id=abc&nextpage_date=2024-01-01T00:00:00.000Z", "invalid_format"),
        ("submission?start_date=2024-01-01", "missing_data"),
        ("submission?start_date=01.01.2024&end_date=2024-01-01", "invalid_format"),
    ] {
        let (status, body) = server.get("main", path).await;
        assert_eq!((status, &body["errorCode"]), (400, &json!(code)), "{path}");
    }
    assert!(server.items("submission?submission_id=nobody").await.is_empty());
    server.knobs("main", |knobs| knobs.forbid = Forbid::ExplicitDeny);
    let (status, body) = server.get("main", "submission").await;
    assert!(status == 403 && body["message"].as_str().unwrap().contains("explicit deny"));
    server.knobs("main", |knobs| {
        *knobs = Knobs { too_large_above: 100, too_large_status: 504, ..Knobs::default() }
    });
    assert_eq!(server.get("main", "submission?count=101").await.0, 504);
    assert_eq!(server.get("main", "submission?count=100").await.0, 200);
}

#[tokio::test]
async fn faults_happen_on_the_way() {
    let server = Server::start().await;
    let set = |faults| server.simulation.set_faults(faults);
    set(Faults { dropped: 1.0, ..Faults::default() });
    let error = server.send("main", "submission").await.unwrap_err();
    assert!(error.is_request() && !error.is_body(), "{error:?}");
    set(Faults { cut_short: 1.0, ..Faults::default() });
    let error = server.send("main", "submission?count=2000").await.unwrap_err();
    assert!(error.is_body() || error.is_decode(), "{error:?}");
    set(Faults { cut_short: 1.0, ..Faults::default() });
    let error = server.send("main", "submission?count=1").await.unwrap_err();
    assert!(error.is_body() || error.is_decode(), "{error:?}");
    set(Faults { html: 1.0, ..Faults::default() });
    let (status, body) = server.send("main", "submission").await.unwrap();
    assert!(status == 200 && body.starts_with("<!doctype html>"));
    set(Faults { server_error: 1.0, ..Faults::default() });
    assert!(server.get("main", "submission").await.0 >= 500);
    set(Faults { too_many_requests: 1.0, retry_after_seconds: Some(7), ..Faults::default() });
    let request = server.client.get(format!("{}/v3/submission", server.address));
    let answer = request.send().await.unwrap();
    assert_eq!(
        (answer.status().as_u16(), &answer.headers()["retry-after"]),
        (429, &"7".parse().unwrap())
    );
    set(Faults::default());
    assert_eq!(server.items("submission").await.len(), 50);
    assert_eq!(server.simulation.call_count(), 7);
    assert_eq!(server.simulation.calls_by_kind()[&CallKind::SubmissionList], 7);
}

#[tokio::test]
async fn other_processes_turn_knobs_and_change_records() {
    let server = Server::start().await;
    let id = server.simulation.submission_ids("main").next().unwrap();
    let address = |path: &str| format!("{}/sim/{path}", server.address);
    let send = async |request: reqwest::RequestBuilder, body: Value| -> (u16, Value) {
        let request = request.header("content-type", "application/json");
        let answer = request.body(body.to_string()).send().await.unwrap();
        let status = answer.status().as_u16();
        (status, serde_json::from_str(&answer.text().await.unwrap()).unwrap())
    };
    let put = |path: &str| server.client.put(address(path));
    let post = || server.client.post(address("change"));

    let knobs = json!({"project": "main", "knobs": {"order": "ascending", "default_count": 3}});
    assert_eq!(send(put("knobs"), knobs).await.0, 200);
    assert_eq!(server.items("submission").await[0]["submission_id"], *id);
    let (status, body) = send(put("knobs"), json!({"knobs": {"ordre": "ascending"}})).await;
    assert!(status == 400 && body["error"].as_str().unwrap().contains("ordre"));

    let change = json!({"project": "main", "id": id, "change": {"memo": "seen"}});
    assert_eq!(send(post(), change).await.0, 200);
    let items = server.items(&format!("submission?submission_id={id}")).await;
    assert_eq!(items[0]["memo"]["text"], "seen");
    let change = json!({"project": "main", "id": "nobody", "change": "vanish"});
    assert_eq!(send(post(), change).await.0, 400);
    let add = json!({"project": "main", "add": {"created_at_ms": 1_704_067_200_000_i64, "result": "pending"}});
    let (_, body) = send(post(), add).await;
    let first = &server.items("submission?count=1").await[0];
    assert_eq!(
        (&first["submission_id"], &first["kyc"]["result"]),
        (&body["id"], &json!("pending"))
    );

    assert_eq!(send(put("faults"), json!({"html": 1.0})).await.0, 200);
    assert!(server.send("main", "submission").await.unwrap().1.starts_with('<'));
    let status = server.client.get(address("status")).send().await.unwrap().text().await.unwrap();
    let status: Value = serde_json::from_str(&status).unwrap();
    assert_eq!(status["calls"], 4);
    assert_eq!(status["projects"][0]["knobs"]["order"], "ascending");
}

#[tokio::test]
async fn no_web_page_controls_the_simulator_and_no_key_is_told() {
    let server = Server::start().await;
    let address = |path: &str| format!("{}/sim/{path}", server.address);
    let put = || server.client.put(address("knobs")).body(json!({"knobs": {}}).to_string());
    let json =
        |request: reqwest::RequestBuilder| request.header("content-type", "application/json");
    let get = || server.client.get(address("status"));
    for (request, expected) in [
        (json(put()), 200),
        (put(), 415),
        (put().header("content-type", "text/plain"), 415),
        (json(put()).header("origin", "https://page.example"), 403),
        (json(put()).header("host", "page.example"), 403),
        (get().header("host", "page.example:80"), 403),
        (get(), 200),
    ] {
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status().as_u16(), expected);
    }
    let status = get().send().await.unwrap().text().await.unwrap();
    assert!(status.contains("\"submission\"") && !status.contains("\"main\""), "{status}");
}

#[tokio::test]
async fn a_loop_of_cursors_never_ends() {
    let server = Server::start().await;
    for (cursor_loop, repeats_after) in [(CursorLoop::Aa, 1), (CursorLoop::Aba, 2)] {
        server.knobs("main", |knobs| knobs.cursor_loop = cursor_loop);
        let (mut ids, mut path) = (Vec::new(), "submission?count=10".to_owned());
        for _ in 0..4 {
            let (_, body) = server.get("main", &path).await;
            let key = &body["nextpageKey"];
            let (id, date) = (key["id"].as_str().unwrap(), key["created_at"].as_str().unwrap());
            path = format!("submission?count=10&nextpage_id={id}&nextpage_date={date}");
            ids.push(id.to_owned());
        }
        assert_eq!(ids[repeats_after], ids[0]);
        assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), repeats_after);
    }
}

#[tokio::test]
async fn the_server_stops_when_told() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let simulation = Simulation::new(Vec::new());
    let server =
        tokio::spawn(serve(listener, simulation, async move { stopped.await.unwrap_or(()) }));
    stop.send(()).unwrap();
    server.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_rotated_key_opens_the_same_project() {
    let server = Server::start().await;
    let count = |body: &Value| body["Items"].as_array().map(Vec::len);
    server.simulation.set_accepted_keys("main", vec!["main".to_owned(), "new".to_owned()]).unwrap();
    assert_eq!(count(&server.get("main", "submission").await.1), Some(50));
    server.simulation.set_accepted_keys("main", vec!["new".to_owned()]).unwrap();
    assert_eq!(server.get("main", "submission").await.0, 403);
    assert_eq!(count(&server.get("new", "submission").await.1), Some(50));
    assert_eq!(server.simulation.submission_ids("main").count(), 1000);
}
