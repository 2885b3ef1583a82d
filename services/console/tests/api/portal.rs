//! The portal as a customer's browser sees it.

use crate::given;
use crate::on_both;
use crate::yard::{Answer, Yard, workspace};
use secrecy::ExposeSecret as _;
use serde_json::json;
use sha2::{Digest as _, Sha256};
use std::time::Duration;
use store::{NewDelivery, PortalSession};
use testkit::until;
use wire::resource::{PortalRole, PortalSpec};
use wire::{ApplicationId, DeliveryId, EndpointId, Instant, PortalSessionId};

/// Where the outside sees the portal, as a path.
const PLACE: &str = "/yard/portal";
const FORM: (&str, &str) = ("Content-Type", "application/x-www-form-urlencoded");

/// A browser after it opened a link.
struct Browser<'y> {
    yard: &'y Yard,
    cookie: String,
}

impl<'y> Browser<'y> {
    /// Opens a link of this role for an application.
    async fn open(yard: &'y Yard, application: &str, role: &str) -> Self {
        let link = link(yard, application, role).await;
        let answer = post(yard, &link, &[], "").await;
        assert_eq!(answer.status.as_u16(), 303, "{}", answer.text);
        Self {
            yard,
            cookie: set_cookie(&answer).split(';').next().unwrap().to_owned(),
        }
    }

    async fn get(&self, path: &str) -> Answer {
        let headers = [("Cookie", self.cookie.as_str())];
        self.yard
            .send("GET", &format!("/portal{path}"), &headers, "")
            .await
    }

    async fn page(&self, path: &str) -> String {
        let answer = self.get(path).await;
        assert_eq!(answer.status.as_u16(), 200, "{}", answer.text);
        answer.text
    }

    async fn post(&self, path: &str, form: &str) -> Answer {
        post(
            self.yard,
            &format!("/portal{path}"),
            &[("Cookie", &self.cookie)],
            form,
        )
        .await
    }

    /// The token that this browser's forms carry.
    async fn token(&self) -> String {
        let page = self.page("").await;
        let (_, rest) = page.split_once(r#"name="token" value=""#).unwrap();
        rest.split('"').next().unwrap().to_owned()
    }
}

async fn post(yard: &Yard, path: &str, headers: &[(&str, &str)], form: &str) -> Answer {
    let mut headers = headers.to_vec();
    headers.extend([FORM, ("Sec-Fetch-Site", "same-origin")]);
    yard.send("POST", path, &headers, form.to_owned()).await
}

/// The path of a new link, as the server sees it.
async fn link(yard: &Yard, application: &str, role: &str) -> String {
    let path = format!("applications/{application}/portal");
    let made = yard.post(&path, &json!({"role": role})).await.expect(201);
    format!("/portal/{}", made["code"].as_str().unwrap())
}

fn set_cookie(answer: &Answer) -> &str {
    answer.headers["set-cookie"].to_str().unwrap()
}

/// Two customers with an endpoint each, `ep_one` and `ep_two`.
async fn customers(yard: &Yard) {
    for (id, environment) in [("one", "env_production"), ("two", "env_staging")] {
        let application = json!({"id": format!("app_{id}"), "name": format!("Customer <{id}> & sons")});
        yard.post("applications", &application).await.expect(201);
        let endpoint = json!({
            "id": format!("ep_{id}"), "url": format!("https://{id}.example/in?a=1&b=2"), "environmentId": environment,
            "description": "<script>alert(1)</script>",
        });
        let path = format!("applications/app_{id}/endpoints");
        yard.post(&path, &endpoint).await.expect(201);
    }
}

/// A delivery to an endpoint.
async fn delivered(yard: &Yard, endpoint: &str) -> DeliveryId {
    let event = given::accepted(yard, None, b"{}").await;
    let endpoint_id = EndpointId::from_stored(endpoint);
    let delivery = NewDelivery {
        id: DeliveryId::of(event, &endpoint_id, 0),
        endpoint_id,
        ..given::delivery(event)
    };
    let id = delivery.id;
    given::routed(yard, event, vec![delivery], None).await;
    id
}

/// An endpoint's secrets, newest first.
pub(crate) async fn secrets(yard: &Yard, endpoint: &str) -> Vec<String> {
    let row = yard.store.endpoint(&EndpointId::from_stored(endpoint)).await;
    let secrets = row.unwrap().unwrap().secrets;
    let values = secrets
        .iter()
        .map(|secret| secret.value.expose_secret().to_owned());
    values.collect()
}

/// A link that was made with little time, and its path.
async fn link_until(yard: &Yard, expires_at: Instant) -> String {
    let code = format!("{:048x}", rand::random::<u128>());
    let session = PortalSession {
        id: PortalSessionId::generate(),
        application_id: ApplicationId::from_stored("app_one"),
        workspace_id: workspace(),
        spec: PortalSpec {
            role: PortalRole::Admin,
            ..PortalSpec::default()
        },
        created_at: Instant::now(),
        expires_at,
    };
    let hash = Sha256::digest(code.as_bytes()).into();
    yard.store
        .on_record(vec![])
        .begin_portal_session(session, hash)
        .await
        .unwrap();
    format!("/portal/{code}")
}

on_both! {
    async fn a_link_is_looked_at_as_often_as_one_likes_and_opens_once(yard: &Yard) {
        customers(yard).await;
        let link = link(yard, "app_one", "admin").await;
        // A mail program looks, and so does the customer.
        for method in ["GET", "HEAD", "GET"] {
            let looked = yard.send(method, &link, &[], "").await;
            assert_eq!(looked.status.as_u16(), 200);
            assert!(!looked.headers.contains_key("set-cookie"));
            assert_eq!(looked.text.contains("<button>Open the portal</button>"), method == "GET");
        }
        let opened = post(yard, &link, &[], "").await;
        assert_eq!((opened.status.as_u16(), opened.headers["location"].to_str().unwrap()), (303, PLACE));
        let cookie = set_cookie(&opened).to_owned();
        let (pair, attributes) = cookie.split_once("; ").unwrap();
        assert!(pair.starts_with("__Secure-hookyard-portal=") && pair.len() > 60);
        for attribute in ["HttpOnly", "SameSite=Strict", "Secure", "Path=/yard/portal"] {
            assert!(attributes.split("; ").any(|one| one == attribute), "{attributes}");
        }
        let age = attributes.split("; ").find_map(|one| one.strip_prefix("Max-Age=")).unwrap();
        assert!((3_500..=3_600).contains(&age.parse::<u64>().unwrap()), "{age}");

        let again = post(yard, &link, &[], "").await;
        assert_eq!(again.status.as_u16(), 410);
        assert!(again.text.contains("opens nothing any more") && again.text.contains("Ask whoever gave it to you"));
        assert!(!again.headers.contains_key("set-cookie"));
        // It still says nothing of itself.
        assert_eq!(yard.send("GET", &link, &[], "").await.status.as_u16(), 200);
        let never = format!("/portal/{}", "0".repeat(48));
        assert_eq!(post(yard, &never, &[], "").await.status.as_u16(), 410);
        for nonsense in ["/portal/a", "/portal/nobody/knows", "/portal/%00", "/portal/endpoints"] {
            assert_eq!(yard.send("GET", nonsense, &[], "").await.status.as_u16(), 404, "{nonsense}");
            assert_eq!(post(yard, nonsense, &[], "").await.status.as_u16(), 404, "{nonsense}");
        }
    }

    async fn of_many_browsers_one_opens_a_link(yard: &Yard) {
        customers(yard).await;
        let link = link(yard, "app_one", "admin").await;
        let all = futures_util::future::join_all((0..8).map(|_| post(yard, &link, &[], ""))).await;
        let mut statuses: Vec<u16> = all.iter().map(|answer| answer.status.as_u16()).collect();
        statuses.sort_unstable();
        assert_eq!(statuses, [303, 410, 410, 410, 410, 410, 410, 410]);
    }

    async fn a_link_and_its_visit_end_together(yard: &Yard) {
        customers(yard).await;
        let over = link_until(yard, Instant::now() - Duration::from_secs(1)).await;
        assert_eq!(post(yard, &over, &[], "").await.status.as_u16(), 410);
        let short = link_until(yard, Instant::now() + Duration::from_secs(2)).await;
        let opened = post(yard, &short, &[], "").await;
        assert_eq!(opened.status.as_u16(), 303);
        let cookie = set_cookie(&opened).split(';').next().unwrap().to_owned();
        let browser = Browser { yard, cookie };
        until("the visit is over", async || {
            let answer = browser.get("").await;
            answer.status.as_u16() == 401 && answer.text.contains("No visit is open here")
        })
        .await;
        for stranger in [&[][..], &[("Cookie", "__Secure-hookyard-portal=guess")], &[("Cookie", "hookyard-portal=x")]] {
            for path in ["/portal", "/portal/event-types", "/portal/endpoints/ep_one"] {
                let answer = yard.send("GET", path, stranger, "").await;
                assert_eq!(answer.status.as_u16(), 401, "{path}");
                assert!(!answer.text.contains("one.example"));
            }
        }
    }

    async fn a_customer_sees_its_own_endpoints_deliveries_and_attempts(yard: &Yard) {
        customers(yard).await;
        let failed = delivered(yard, "ep_one").await;
        given::attempted(yard, 500).await;
        let browser = Browser::open(yard, "app_one", "viewer").await;
        let list = browser.page("").await;
        assert!(list.contains("https://one.example/in?a=1&#38;b=2") && list.contains(r#"href="/yard/portal/endpoints/ep_one""#));
        assert!(list.contains("Customer &#60;one&#62; &#38; sons") && list.contains("Acme Inc."));
        assert!(!list.contains("two.example") && !list.contains("billing.example") && !list.contains("<script"));
        let one = browser.page("/endpoints/ep_one").await;
        assert!(one.contains("scheduled retry") && one.contains(&failed.to_string()) && one.contains("payment.succeeded"));
        assert!(!one.contains("whsec_"));
        let delivery = browser.page(&format!("/endpoints/ep_one/deliveries/{failed}")).await;
        assert!(delivery.contains("Attempt 1") && delivery.contains("answered 500"));
        assert!(delivery.contains("the receiver answered 500") && delivery.contains("12 ms"));

        let newest = browser.page("/endpoints/ep_one").await;
        assert!(!newest.contains("Older deliveries"));
        for _ in 0..50 {
            delivered(yard, "ep_one").await;
        }
        let newest = browser.page("/endpoints/ep_one").await;
        assert!(!newest.contains(&failed.to_string()));
        let (_, older) = newest.split_once("/endpoints/ep_one?before=").unwrap();
        let older = browser.page(&format!("/endpoints/ep_one?before={}", older.split('"').next().unwrap())).await;
        assert!(older.contains(&failed.to_string()) && !older.contains("Older deliveries"));
        for bad in ["before=del_1", "before=", "before=%00"] {
            assert_eq!(browser.get(&format!("/endpoints/ep_one?{bad}")).await.status.as_u16(), 404, "{bad}");
        }
    }

    async fn another_customers_things_are_not_there(yard: &Yard) {
        customers(yard).await;
        let (own, other, workspaces) =
            (delivered(yard, "ep_one").await, delivered(yard, "ep_two").await, delivered(yard, "ep_billing").await);
        let browser = Browser::open(yard, "app_one", "admin").await;
        let token = format!("token={}", browser.token().await);
        browser.page(&format!("/endpoints/ep_one/deliveries/{own}")).await;
        for path in [
            "/endpoints/ep_two".to_owned(),
            "/endpoints/ep_billing".to_owned(),
            "/endpoints/ep_nobody".to_owned(),
            "/endpoints/%00".to_owned(),
            format!("/endpoints/ep_one/deliveries/{other}"),
            format!("/endpoints/ep_one/deliveries/{workspaces}"),
            format!("/endpoints/ep_two/deliveries/{other}"),
            format!("/endpoints/ep_two/deliveries/{own}"),
            "/endpoints/ep_one/deliveries/del_does_not_exist_anywhere".to_owned(),
        ] {
            let answer = browser.get(&path).await;
            assert_eq!(answer.status.as_u16(), 404, "{path}");
            assert!(!answer.text.contains("two.example"), "{path}");
        }
        let before = secrets(yard, "ep_two").await;
        for endpoint in ["ep_two", "ep_billing", "ep_nobody"] {
            let answer = browser.post(&format!("/endpoints/{endpoint}/secret"), &token).await;
            assert_eq!(answer.status.as_u16(), 404);
            assert!(!answer.text.contains("whsec_"));
            let form = format!("{token}&overlap=0");
            let answer = browser.post(&format!("/endpoints/{endpoint}/rotate-secret"), &form).await;
            assert_eq!(answer.status.as_u16(), 404);
        }
        assert_eq!(secrets(yard, "ep_two").await, before);
        // Nor is one that is no longer this customer's, or that is gone.
        yard.patch("endpoints/ep_one", &json!({"applicationId": null})).await.expect(200);
        assert_eq!(browser.get("/endpoints/ep_one").await.status.as_u16(), 404);
        assert!(browser.page("").await.contains("You have no endpoint yet"));
        yard.delete("applications/app_one").await;
        assert_eq!(browser.get("").await.status.as_u16(), 401);
    }

    async fn who_is_given_an_endpoint_sees_nothing_of_before(yard: &Yard) {
        customers(yard).await;
        let theirs = delivered(yard, "ep_one").await;
        let known = secrets(yard, "ep_one").await;
        yard.patch("endpoints/ep_one", &json!({"application": "app_two"})).await.expect(200);
        // Deliveries carry their event's time in milliseconds.
        tokio::time::sleep(Duration::from_millis(2)).await;
        let own = delivered(yard, "ep_one").await;
        let browser = Browser::open(yard, "app_two", "admin").await;
        let page = browser.page("/endpoints/ep_one").await;
        assert!(page.contains(&own.to_string()) && !page.contains(&theirs.to_string()), "{page}");
        browser.page(&format!("/endpoints/ep_one/deliveries/{own}")).await;
        let refused = browser.get(&format!("/endpoints/ep_one/deliveries/{theirs}")).await;
        assert_eq!(refused.status.as_u16(), 404);
        let token = browser.token().await;
        let shown = browser.post("/endpoints/ep_one/secret", &format!("token={token}")).await.text;
        assert!(known.iter().all(|secret| !shown.contains(secret.as_str()) && !shown.contains(&secret.replace('+', "&#43;"))));
        // Any other change leaves it as it is.
        yard.patch("endpoints/ep_one", &json!({"description": "ours"})).await.expect(200);
        assert!(browser.page("/endpoints/ep_one").await.contains(&own.to_string()));
    }

    async fn an_admin_sees_and_rotates_a_secret_and_a_viewer_does_not(yard: &Yard) {
        customers(yard).await;
        let first = secrets(yard, "ep_one").await.remove(0);
        let viewer = Browser::open(yard, "app_one", "viewer").await;
        let token = viewer.token().await;
        assert!(!viewer.page("/endpoints/ep_one").await.contains("Show the secret"));
        for (address, form) in [("secret", format!("token={token}")), ("rotate-secret", format!("token={token}&overlap=24"))] {
            let answer = viewer.post(&format!("/endpoints/ep_one/{address}"), &form).await;
            assert_eq!(answer.status.as_u16(), 403);
            assert!(answer.text.contains("This visit may only look") && !answer.text.contains("whsec_"));
        }

        let admin = Browser::open(yard, "app_one", "admin").await;
        let token = admin.token().await;
        let shown = admin.post("/endpoints/ep_one/secret", &format!("token={token}")).await;
        assert_eq!((shown.status.as_u16(), shown.headers["cache-control"].to_str().unwrap()), (200, "no-store"));
        assert!(shown.text.contains(&first.replace('+', "&#43;")) || shown.text.contains(&first), "{}", shown.text);
        let told = &yard.get("audit?limit=1").await.expect(200)["audit"][0];
        assert_eq!((&told["action"], &told["target"]["id"]), (&json!("endpoint.reveal_secret"), &json!("ep_one")));
        // Looking needs the form.
        assert_eq!(admin.get("/endpoints/ep_one/secret").await.status.as_u16(), 404);
        assert_eq!(admin.get("/endpoints/ep_one/rotate-secret").await.status.as_u16(), 404);

        let rotated = admin.post("/endpoints/ep_one/rotate-secret", &format!("token={token}&overlap=24")).await;
        assert_eq!(rotated.status.as_u16(), 303);
        assert_eq!(rotated.headers["location"], format!("{PLACE}/endpoints/ep_one?done=rotated"));
        assert!(admin.page("/endpoints/ep_one?done=rotated").await.contains("The secret was rotated."));
        let told = &yard.get("audit?limit=1").await.expect(200)["audit"][0];
        let target = json!({"kind": "endpoint", "id": "ep_one"});
        assert_eq!((&told["action"], &told["target"]), (&json!("endpoint.rotate_secret"), &target));
        assert_eq!((&told["actor"]["kind"], &told["actor"]["name"]), (&json!("portal"), &json!("Customer <one> & sons")));
        assert!(told["actor"]["id"].as_str().unwrap().starts_with("ps_"));
        let live = secrets(yard, "ep_one").await;
        assert_eq!((live.len(), &live[1]), (2, &first));
        let row = yard.store.endpoint(&EndpointId::from_stored("ep_one")).await.unwrap().unwrap();
        let lasts = row.secrets[1].expires_at.unwrap().since(Instant::now());
        assert!(lasts > Duration::from_hours(23) && lasts <= Duration::from_hours(24));
        let shown = admin.post("/endpoints/ep_one/secret", &format!("token={token}")).await.text;
        assert_eq!(shown.matches("whsec_").count(), 2);
        admin.post("/endpoints/ep_one/rotate-secret", &format!("token={token}&overlap=0")).await;
        assert_eq!(secrets(yard, "ep_one").await.len(), 1);
    }

    async fn of_a_key_pair_the_public_half_is_shown(yard: &Yard) {
        customers(yard).await;
        let made = yard.patch("endpoints/ep_one", &json!({"signing": "v1a"})).await.expect(200);
        let admin = Browser::open(yard, "app_one", "admin").await;
        let token = format!("token={}", admin.token().await);
        let shown = admin.post("/endpoints/ep_one/secret", &token).await.text;
        assert!(shown.contains("The public key") && shown.contains("whpk_") && !shown.contains("whsk_"), "{made} {shown}");
        admin.post("/endpoints/ep_one/rotate-secret", &format!("{token}&overlap=0")).await;
        let shown = admin.post("/endpoints/ep_one/secret", &token).await.text;
        assert_eq!((shown.matches("whpk_").count(), shown.matches("whsec_").count()), (1, 0), "{shown}");
    }

    async fn only_the_visits_own_forms_do_anything(yard: &Yard) {
        customers(yard).await;
        let admin = Browser::open(yard, "app_one", "admin").await;
        let other = Browser::open(yard, "app_one", "admin").await;
        let (token, others) = (admin.token().await, other.token().await);
        assert_ne!(token, others);
        let before = secrets(yard, "ep_one").await;
        let path = "/endpoints/ep_one/rotate-secret";
        for form in [
            String::new(),
            "overlap=0".to_owned(),
            "token=&overlap=0".to_owned(),
            format!("token={others}&overlap=0"),
            format!("token={token}"),
            format!("token={token}&overlap=169"),
            format!("token={token}&overlap=-1"),
            format!("token={token}&overlap=soon"),
            format!("token={token}&overlap=0&padding={}", "x".repeat(2_000)),
            format!("token={token}&token={token}&overlap=0"),
        ] {
            let answer = admin.post(path, &form).await;
            assert_eq!(answer.status.as_u16(), 403, "{form}");
            assert!(answer.text.contains("That was not done"), "{}", answer.text);
        }
        let good = format!("token={token}&overlap=0");
        for foreign in ["cross-site", "same-site", "none"] {
            let headers = [("Cookie", admin.cookie.as_str()), FORM, ("Sec-Fetch-Site", foreign)];
            let answer = yard.send("POST", &format!("/portal{path}"), &headers, good.clone()).await;
            assert_eq!(answer.status.as_u16(), 403, "{foreign}");
        }
        let as_json = [("Cookie", admin.cookie.as_str()), ("Content-Type", "application/json")];
        let answer = yard.send("POST", &format!("/portal{path}"), &as_json, good.clone()).await;
        assert_eq!(answer.status.as_u16(), 403);
        assert_eq!(secrets(yard, "ep_one").await, before);
        // A link is opened from its own page, too.
        let link = link(yard, "app_two", "admin").await;
        let answer = yard.send("POST", &link, &[FORM, ("Sec-Fetch-Site", "cross-site")], "").await;
        assert_eq!(answer.status.as_u16(), 403);
        // A browser that says nothing has the token.
        let headers = [("Cookie", admin.cookie.as_str()), FORM];
        let answer = yard.send("POST", &format!("/portal{path}"), &headers, good).await;
        assert_eq!(answer.status.as_u16(), 303);

        // The other visit goes on when this one is left.
        assert_eq!(admin.post("/leave", &format!("token={others}")).await.status.as_u16(), 403);
        let left = admin.post("/leave", &format!("token={token}")).await;
        assert_eq!(left.status.as_u16(), 200);
        assert!(left.text.contains("You have left") && set_cookie(&left).contains("Max-Age=0"));
        assert_eq!(admin.get("").await.status.as_u16(), 401);
        other.page("").await;
    }

    async fn published_event_types_of_the_endpoints_environments_are_shown(yard: &Yard) {
        customers(yard).await;
        for (id, environment) in [("shown", "env_production"), ("elsewhere", "env_staging"), ("hidden", "")] {
            let body = json!({"id": format!("evt_{id}"), "name": format!("a.{id}"), "description": "<b>",
                "schema": {"type": "object"}});
            yard.post("event-types", &body).await.expect(201);
            if !environment.is_empty() {
                let path = format!("environments/{environment}/event-types/evt_{id}/visibility");
                yard.ask("PUT", &path, r#"{"published": true}"#).await.expect(200);
            }
        }
        let browser = Browser::open(yard, "app_one", "viewer").await;
        let page = browser.page("/event-types").await;
        assert!(page.contains("a.shown") && page.contains("&#60;b&#62;") && page.contains("&#34;type&#34;: &#34;object&#34;"));
        assert!(!page.contains("a.elsewhere") && !page.contains("a.hidden") && !page.contains("staging"));
        assert!(browser.page("").await.contains("/yard/portal/event-types"));
        yard.patch("applications/app_one", &json!({"showEventTypes": false})).await.expect(200);
        assert_eq!(browser.get("/event-types").await.status.as_u16(), 404);
        assert!(!browser.page("").await.contains("/event-types"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_is_whole_and_loads_nothing_but_its_stylesheet() {
    let yard = Yard::on_sqlite().await;
    customers(&yard).await;
    let delivery = delivered(&yard, "ep_one").await;
    let link = link(&yard, "app_one", "admin").await;
    let browser = Browser::open(&yard, "app_one", "admin").await;
    let token = format!("token={}", browser.token().await);
    let answers = [
        yard.send("GET", &link, &[], "").await,
        yard.send("GET", "/portal", &[], "").await,
        browser.get("").await,
        browser.get("/endpoints/ep_one").await,
        browser
            .get(&format!("/endpoints/ep_one/deliveries/{delivery}"))
            .await,
        browser.get("/event-types").await,
        browser.get("/nowhere").await,
        browser.post("/endpoints/ep_one/secret", &token).await,
        browser.post("/endpoints/ep_one/rotate-secret", &token).await,
        browser.post("/leave", &token).await,
    ];
    for Answer { headers, text, .. } in answers {
        let header = |name: &str| headers[name].to_str().unwrap().to_owned();
        let policy = header("content-security-policy");
        assert!(
            policy.contains("default-src 'none'") && !policy.contains("unsafe"),
            "{policy}"
        );
        assert!(policy.contains("frame-ancestors 'none'") && policy.contains("form-action 'self'"));
        assert_eq!(header("referrer-policy"), "no-referrer");
        assert_eq!(header("cache-control"), "no-store");
        assert_eq!(header("x-content-type-options"), "nosniff");
        assert_eq!(header("content-type"), "text/html; charset=utf-8");
        assert!(text.starts_with("<!doctype html>\n<html lang=\"en\">"), "{text}");
        assert!(text.trim_end().ends_with("</html>"), "{text}");
        assert_eq!(text.matches("<h1").count(), 1, "{text}");
        assert_eq!(text.matches("<title>").count(), 1, "{text}");
        for forbidden in ["<script", "style=", "onclick", "src=", "<style"] {
            assert!(!text.contains(forbidden), "{forbidden} in {text}");
        }
        balanced(&text);
        let sheets: Vec<&str> = text.split("rel=\"stylesheet\"").skip(1).collect();
        assert!(
            sheets.len() == 1 && sheets[0].starts_with(" href=\"/yard/portal/style.css\""),
            "{text}"
        );
    }
    let style = yard.send("GET", "/portal/style.css", &[], "").await;
    assert_eq!(style.status.as_u16(), 200);
    assert_eq!(style.headers["content-type"], "text/css; charset=utf-8");
    assert!(style.text.contains("prefers-color-scheme: dark") && !style.text.contains("url("));
}

/// Every element that is opened is closed, in its order.
fn balanced(page: &str) {
    const VOID: [&str; 4] = ["meta", "link", "input", "!doctype"];
    let mut open: Vec<&str> = Vec::new();
    for tag in page.split('<').skip(1) {
        let name = tag.split([' ', '>', '\n']).next().unwrap();
        match name.strip_prefix('/') {
            Some(closed) => assert_eq!(open.pop(), Some(closed), "{page}"),
            None if VOID.contains(&name) => {}
            None => open.push(name),
        }
    }
    assert!(open.is_empty(), "{open:?}: {page}");
}
