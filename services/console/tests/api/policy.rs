//! How deliveries are made, key by key: the workspace, its endpoints and its routes.

use crate::configuration::lines;
use crate::on_both;
use crate::yard::{ACME, Yard, in_place};
use serde_json::{Value, json};

/// What holds and who says so, as `value from`.
fn holds(view: &Value, key: &str) -> String {
    let ruled = &view["effectivePolicy"].pointer(key).unwrap();
    format!("{} {}", ruled["value"], ruled["from"].as_str().unwrap())
}

on_both! {
    async fn the_nearest_level_that_says_something_decides_key_by_key(yard: &Yard) {
        let to_billing = json!({"name": "paid", "to": {"endpoint": "billing"}});
        yard.post("routes", &to_billing).await.expect(201);
        let keys = ["/timeout", "/retry/schedule", "/retry/jitter", "/finalStatuses"];
        let all = async |path: &str| {
            let view = yard.get(path).await.expect(200);
            let (list, _) = path.split_once('/').unwrap();
            assert!(yard.get(list).await.expect(200).as_array().unwrap().contains(&view), "{view}");
            keys.map(|key| holds(&view, key))
        };
        let built_in =
            [r#""15s" default"#, r#"["0s","5s","1m","10m","1h"] default"#, "0.2 default", "[] default"];
        assert_eq!(all("endpoints/billing").await, built_in);
        assert_eq!(all("routes/paid").await, built_in);

        let delivery = json!({"timeout": "20s", "retry": {"jitter": 0.1}, "finalStatuses": [400, "404", "5xx", 404]});
        let workspace = yard.patch("", &json!({"delivery": delivery})).await.expect(200);
        assert_eq!(
            workspace["delivery"],
            json!({"timeout": "20s", "retry": {"schedule": null, "jitter": 0.1}, "finalStatuses": [400, 404, "5xx"]})
        );
        let own = json!({"timeout": "30s", "retry": {"schedule": ["0s", "9s"]}});
        yard.patch("endpoints/billing", &own).await.expect(200);
        let of_endpoint =
            [r#""30s" endpoint"#, r#"["0s","9s"] endpoint"#, "0.1 workspace", r#"[400,404,"5xx"] workspace"#];
        assert_eq!(all("endpoints/billing").await, of_endpoint);

        let own = json!({"delivery": {"retry": {"schedule": ["0s"]}, "finalStatuses": []}});
        let route = yard.patch("routes/paid", &own).await.expect(200);
        assert_eq!(
            route["delivery"],
            json!({"timeout": null, "retry": {"schedule": ["0s"], "jitter": null}, "finalStatuses": []})
        );
        let of_route = [r#""30s" endpoint"#, r#"["0s"] route"#, "0.1 workspace", "[] route"];
        assert_eq!(all("routes/paid").await, of_route);
        assert_eq!(all("endpoints/billing").await, of_endpoint);

        // Null says nothing, so that the level above decides again.
        yard.patch("routes/paid", &json!({"delivery": {"finalStatuses": null}})).await.expect(200);
        assert_eq!(all("routes/paid").await[3], r#"[400,404,"5xx"] workspace"#);
        yard.patch("routes/paid", &json!({"delivery": null})).await.expect(200);
        yard.patch("endpoints/billing", &json!({"timeout": null, "retry": {"schedule": null}})).await.expect(200);
        yard.patch("", &json!({"delivery": {"retry": null, "timeout": null, "finalStatuses": null}})).await.expect(200);
        assert_eq!(all("routes/paid").await, built_in);
        assert_eq!(yard.get("endpoints/billing").await.expect(200)["timeout"], Value::Null);
    }

    async fn what_a_policy_cannot_be_is_refused_with_its_path(yard: &Yard) {
        yard.post("routes", &json!({"name": "paid", "to": {"endpoint": "billing"}})).await.expect(201);
        let long = vec![json!("1s"); 51];
        let many: Vec<Value> = (300..351).map(|status| json!(status)).collect();
        for (delivery, detail) in [
            (json!({"timeout": "500ms"}), "timeout: must be a duration from 1s to 1m"),
            (json!({"timeout": "2m"}), "timeout: must be a duration from 1s to 1m"),
            (json!({"timeout": 15}), "timeout: must be a duration such as 15s"),
            (json!({"retry": {"schedule": []}}), "retry: a retry schedule has 1 to 50 entries, this one has 0"),
            (json!({"retry": {"schedule": long}}), "retry: a retry schedule has 1 to 50 entries, this one has 51"),
            (json!({"retry": {"schedule": ["8d"]}}), "retry: a wait in a retry schedule is at most 7d"),
            (json!({"retry": {"jitter": 0.6}}), "retry.jitter: must be a number from 0 to 0.5"),
            (json!({"retry": {"attempts": 3}}), "retry.attempts: "),
            (json!({"finalStatuses": [404, 200]}), "finalStatuses[1]: is a success"),
            (json!({"finalStatuses": ["2xx"]}), "finalStatuses[0]: is a success"),
            (json!({"finalStatuses": ["4x"]}), "finalStatuses[0]: must be a status from 300 to 599"),
            (json!({"finalStatuses": [-1]}), "finalStatuses[0]: must be a status from 300 to 599"),
            (json!({"finalStatuses": "4xx"}), "finalStatuses: must be a list"),
            (json!({"finalStatuses": many}), "finalStatuses: may have at most 50 entries"),
        ] {
            let details = yard.patch("endpoints/billing", &delivery).await.refused(400, "invalid_request");
            assert!(details.join("\n").contains(detail), "{details:?}");
            for path in ["", "routes/paid"] {
                let body = json!({"delivery": delivery});
                let details = yard.patch(path, &body).await.refused(400, "invalid_request");
                assert!(details.join("\n").contains(&format!("delivery.{detail}")), "{details:?}");
            }
        }
        let playbooks = format!("playbooks: [{{slug: triage, definition: {}}}]\n", in_place("triage"));
        yard.apply("", &(ACME.to_owned() + &playbooks)).await.expect(200);
        let playbook = json!({"name": "run", "to": {"playbook": "triage"}, "delivery": {"timeout": "9s"}});
        let details = yard.post("routes", &playbook).await.refused(400, "invalid_request");
        assert!(details.join("\n").contains("delivery: goes without a playbook"), "{details:?}");
    }

    async fn a_file_says_it_at_each_level_and_takes_it_back(yard: &Yard) {
        let file = ACME.replace("workspace: {slug: acme", "workspace: {delivery: {timeout: 20s, final_statuses: [4xx]}, slug: acme")
            + "routes: [{name: paid, to: {endpoint: billing}, delivery: {retry: {schedule: [0s, 1m]}}}]\n";
        assert!(file.contains("delivery: {timeout"), "{file}");
        let dry = yard.apply("?dryRun=true", &file).await.expect(200);
        let applied = yard.apply("", &file).await.expect(200);
        assert_eq!(lines(&dry), lines(&applied));
        assert_eq!(
            lines(&applied)[0],
            r#"~ workspace acme: delivery.final_statuses null → ["4xx"], delivery.timeout null → 20s"#
        );
        assert_eq!(yard.apply("", &file).await.expect(200)["changes"], json!([]));
        let route = yard.get("routes/paid").await.expect(200);
        assert_eq!(holds(&route, "/timeout"), r#""20s" workspace"#);
        assert_eq!(holds(&route, "/retry/schedule"), r#"["0s","1m"] route"#);

        let bare = ACME.to_owned() + "routes: [{name: paid, to: {endpoint: billing}}]\n";
        let back = yard.apply("", &bare).await.expect(200);
        assert!(lines(&back).contains(&r#"~ route paid: delivery.retry.schedule ["0s","1m"] → null"#.to_owned()), "{back}");
        let route = yard.get("routes/paid").await.expect(200);
        assert_eq!(holds(&route, "/timeout"), r#""15s" default"#);
    }

    async fn an_order_is_one_of_four_things(yard: &Yard) {
        assert_eq!(yard.get("endpoints/billing").await.expect(200)["ordered"], false);
        for ordered in [json!(true), json!({"by": ".data.id"}), json!({"header": "X-Account"}), json!(false)] {
            let changed = yard.patch("endpoints/billing", &json!({"ordered": ordered})).await.expect(200);
            assert_eq!(changed["ordered"], ordered);
            assert_eq!(yard.get("endpoints/billing").await.expect(200)["ordered"], ordered);
        }
        for (ordered, detail) in [
            (json!("yes"), "ordered: must be true, false"),
            (json!({}), "ordered.by: is missing"),
            (json!({"by": ".id", "header": "X-A"}), "ordered.header: goes without `by`"),
            (json!({"by": ".id ||"}), "ordered.by: "),
            (json!({"by": 5}), "ordered.by: must be a text"),
            (json!({"header": "X A"}), "ordered.header: is not the name of a header"),
            (json!({"header": "X-A", "more": 1}), "ordered.more: "),
        ] {
            let body = json!({"ordered": ordered});
            let details = yard.patch("endpoints/billing", &body).await.refused(400, "invalid_request");
            assert!(details.join("\n").contains(detail), "{details:?}");
        }
        let file = ACME.replace("{slug: billing,", "{slug: billing, ordered: {by: .id},");
        let applied = yard.apply("", &file).await.expect(200);
        assert_eq!(lines(&applied), [r#"~ endpoint billing: ordered false → {"by":".id"}"#]);
        assert_eq!(yard.apply("", &file).await.expect(200)["changes"], json!([]));
    }
}
