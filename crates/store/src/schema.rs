//! The tables, once. Each database's module expands this with its own two column types.

macro_rules! ledger_schema {
    ($uid:ident, $time:ident) => {
        diesel::table! {
            workspaces (id) {
                id -> Text,
                slug -> Text,
                name -> Text,
                accepting -> Bool,
                created_at -> $time,
                updated_at -> $time,
                spec -> Text,
            }
        }
        diesel::table! {
            environments (id) {
                id -> Text,
                workspace_id -> Text,
                slug -> Text,
                is_default -> Bool,
                created_at -> $time,
                updated_at -> $time,
                name -> Nullable<Text>,
            }
        }
        diesel::table! {
            management_tokens (id) {
                id -> Text,
                workspace_id -> Text,
                name -> Text,
                token_hash -> Binary,
                created_at -> $time,
            }
        }
        diesel::table! {
            sources (id) {
                id -> Text,
                workspace_id -> Text,
                environment_id -> Text,
                slug -> Text,
                token -> Text,
                channel_secret_hash -> Nullable<Binary>,
                spec -> Text,
                sealed -> Nullable<Binary>,
                created_at -> $time,
                updated_at -> $time,
                app_id -> Nullable<Text>,
                app_sealed -> Nullable<Binary>,
            }
        }
        diesel::table! {
            handshakes (source_id) {
                source_id -> Text,
                answered -> BigInt,
                last_at -> $time,
                sealed -> Nullable<Binary>,
                captured_at -> Nullable<$time>,
                captured_from -> Nullable<Text>,
            }
        }
        diesel::table! {
            endpoints (id) {
                id -> Text,
                workspace_id -> Text,
                environment_id -> Text,
                slug -> Nullable<Text>,
                enabled -> Bool,
                spec -> Text,
                sealed -> Nullable<Binary>,
                created_at -> $time,
                updated_at -> $time,
                deleted_at -> Nullable<$time>,
                application_id -> Nullable<Text>,
                credential_sealed -> Nullable<Binary>,
                client_key_sealed -> Nullable<Binary>,
            }
        }
        diesel::table! {
            playbooks (id) {
                id -> Text,
                workspace_id -> Text,
                slug -> Text,
                number -> Integer,
                spec -> Text,
                created_at -> $time,
                updated_at -> $time,
                secret_hash -> Nullable<Binary>,
                hook_hash -> Nullable<Binary>,
                secrets_sealed -> Nullable<Binary>,
                version -> Integer,
            }
        }
        diesel::table! {
            playbook_versions (playbook_id, version) {
                playbook_id -> Text,
                version -> Integer,
                definition -> Text,
                operations -> Text,
                created_at -> $time,
            }
        }
        diesel::table! {
            routes (id) {
                id -> Text,
                workspace_id -> Text,
                name -> Text,
                position -> Integer,
                spec -> Text,
                created_at -> $time,
                updated_at -> $time,
                event_type_id -> Nullable<Text>,
                endpoint_id -> Nullable<Text>,
            }
        }
        diesel::table! {
            events (id) {
                id -> $uid,
                workspace_id -> Text,
                source_id -> Nullable<Text>,
                event_type -> Nullable<Text>,
                state -> Text,
                verified -> Nullable<Bool>,
                received_at -> $time,
                method -> Text,
                query -> Nullable<Text>,
                remote_address -> Nullable<Text>,
                headers -> Binary,
                content_type -> Nullable<Text>,
                body -> Binary,
                idempotency_key -> Nullable<Text>,
                traceparent -> Nullable<Text>,
                failures -> Integer,
                trace -> Nullable<Binary>,
                verify_reason -> Nullable<Text>,
                verify_secret_id -> Nullable<Text>,
            }
        }
        diesel::table! {
            claims (scope, key_hash) {
                scope -> Text,
                key_hash -> Binary,
                key -> Text,
                fingerprint -> Nullable<Binary>,
                event_id -> $uid,
                accepted_at -> $time,
                expires_at -> $time,
                repeats -> Integer,
                mismatches -> Integer,
            }
        }
        diesel::table! {
            rejections (id) {
                id -> $uid,
                workspace_id -> Text,
                source_id -> Nullable<Text>,
                cause -> Text,
                detail -> Text,
                received_at -> $time,
                method -> Text,
                query -> Nullable<Text>,
                remote_address -> Nullable<Text>,
                headers -> Binary,
                body_preview -> Binary,
                door -> Text,
                request_sealed -> Nullable<Binary>,
                event_id -> Nullable<$uid>,
            }
        }
        diesel::table! {
            deliveries (id) {
                id -> $uid,
                workspace_id -> Text,
                event_id -> $uid,
                endpoint_id -> Text,
                route_id -> Nullable<Text>,
                event_type -> Nullable<Text>,
                state -> Text,
                reason -> Nullable<Text>,
                attempts -> Integer,
                due_at -> Nullable<$time>,
                lease_until -> Nullable<$time>,
                lease_token -> Nullable<$uid>,
                body -> Nullable<Binary>,
                replay_of -> Nullable<$uid>,
                first_attempt_at -> Nullable<$time>,
                delivered_at -> Nullable<$time>,
                created_at -> $time,
                updated_at -> $time,
                error_kind -> Nullable<Text>,
                recovery_id -> Nullable<$uid>,
                order_key -> Nullable<Text>,
                turn_due_at -> Nullable<$time>,
            }
        }
        diesel::table! {
            recoveries (id) {
                id -> $uid,
                workspace_id -> Text,
                spec -> Text,
                state -> Text,
                total -> BigInt,
                scanned_to -> Nullable<$uid>,
                recovered -> BigInt,
                skipped -> BigInt,
                deferred -> BigInt,
                next_at -> Nullable<$time>,
                lease_until -> Nullable<$time>,
                fence -> BigInt,
                created_at -> $time,
                started_at -> Nullable<$time>,
                ended_at -> Nullable<$time>,
                updated_at -> $time,
                fruitless -> Integer,
            }
        }
        diesel::table! {
            endpoint_lanes (endpoint_id) {
                endpoint_id -> Text,
                workspace_id -> Text,
                ready_at -> Nullable<$time>,
                idle_since -> Nullable<$time>,
                held_at -> Nullable<$time>,
                held_reason -> Nullable<Text>,
                circuit -> Text,
                probe_at -> Nullable<$time>,
                waits_since -> Nullable<$time>,
                max_in_flight -> Nullable<Integer>,
                health -> Text,
                is_gated -> Bool,
                is_watched -> Bool,
                updated_at -> $time,
            }
        }
        diesel::table! {
            attempts (delivery_id, id) {
                id -> $uid,
                delivery_id -> $uid,
                number -> Integer,
                response_status -> Nullable<Integer>,
                duration_ms -> Integer,
                error_kind -> Nullable<Text>,
                error_message -> Nullable<Text>,
                request_headers -> Binary,
                response_headers -> Binary,
                response_body -> Binary,
                created_at -> $time,
            }
        }
        diesel::table! {
            runs (id) {
                id -> $uid,
                workspace_id -> Text,
                playbook_id -> Text,
                event_id -> Nullable<$uid>,
                route_id -> Nullable<Text>,
                state -> Text,
                input -> Binary,
                error -> Nullable<Text>,
                created_at -> $time,
                started_at -> Nullable<$time>,
                ended_at -> Nullable<$time>,
                updated_at -> $time,
                trigger -> Text,
                project -> Nullable<Text>,
                template -> Nullable<Text>,
                version -> Integer,
                revision -> BigInt,
                owner -> Nullable<$uid>,
                epoch -> BigInt,
                ready_at -> Nullable<$time>,
                engine -> Nullable<Binary>,
                output -> Nullable<Binary>,
                steps -> Integer,
                slot -> Nullable<Integer>,
                slot_key -> Nullable<Text>,
                queued -> Bool,
                generation -> Integer,
            }
        }
        diesel::table! {
            steps (run_id, number) {
                run_id -> $uid,
                number -> Integer,
                pointer -> Text,
                name -> Text,
                kind -> Text,
                status -> Text,
                attempt -> Integer,
                input -> Binary,
                output -> Nullable<Binary>,
                is_cut -> Bool,
                error -> Nullable<Text>,
                started_at -> $time,
                ended_at -> $time,
            }
        }
        diesel::table! {
            run_inbox (id) {
                id -> $uid,
                run_id -> $uid,
                kind -> Text,
                event_id -> Nullable<$uid>,
                effect -> Nullable<Integer>,
                filter -> Nullable<Integer>,
                exclusive -> Bool,
                fresh_keys -> Bool,
                created_at -> $time,
                taken_at -> Nullable<$time>,
            }
        }
        diesel::table! {
            run_waits (run_id, effect, filter) {
                run_id -> $uid,
                effect -> Integer,
                filter -> Integer,
                workspace_id -> Text,
                event_type -> Text,
                shape -> Binary,
                correlation -> Binary,
                spec -> Text,
                is_any -> Bool,
                is_broadcast -> Bool,
                created_at -> $time,
            }
        }
        diesel::table! {
            audit_entries (id) {
                id -> $uid,
                workspace_id -> Text,
                actor_kind -> Text,
                actor_id -> Nullable<Text>,
                actor_name -> Nullable<Text>,
                action -> Text,
                target_kind -> Text,
                target_id -> Text,
                detail -> Text,
            }
        }
        diesel::table! {
            retired_ids (id) {
                id -> Text,
                workspace_id -> Text,
                retired_at -> $time,
            }
        }
        diesel::table! {
            workers (id) {
                id -> $uid,
                name -> Text,
                started_at -> $time,
                seen_at -> $time,
            }
        }
        diesel::table! {
            api_keys (id) {
                id -> Text,
                workspace_id -> Text,
                environment_id -> Nullable<Text>,
                name -> Text,
                key_hash -> Binary,
                spec -> Text,
                created_at -> $time,
                updated_at -> $time,
            }
        }
        diesel::table! {
            event_types (id) {
                id -> Text,
                workspace_id -> Text,
                name -> Text,
                spec -> Text,
                created_at -> $time,
                updated_at -> $time,
            }
        }
        diesel::table! {
            published_event_types (environment_id, event_type_id) {
                environment_id -> Text,
                event_type_id -> Text,
            }
        }
        diesel::table! {
            applications (id) {
                id -> Text,
                workspace_id -> Text,
                external_id -> Nullable<Text>,
                spec -> Text,
                created_at -> $time,
                updated_at -> $time,
            }
        }
        diesel::table! {
            projects (id) {
                id -> Text,
                workspace_id -> Text,
                slug -> Text,
                spec -> Text,
                created_at -> $time,
                updated_at -> $time,
            }
        }
        diesel::table! {
            templates (id) {
                id -> Text,
                workspace_id -> Text,
                slug -> Text,
                spec -> Text,
                created_at -> $time,
                updated_at -> $time,
            }
        }
        diesel::table! {
            contacts (id) {
                id -> Text,
                workspace_id -> Text,
                name -> Text,
                created_at -> $time,
                updated_at -> $time,
            }
        }
        diesel::table! {
            contact_addresses (source_id, address) {
                source_id -> Text,
                address -> Text,
                contact_id -> Text,
            }
        }
        diesel::table! {
            portal_sessions (id) {
                id -> Text,
                application_id -> Text,
                workspace_id -> Text,
                code_hash -> Binary,
                cookie_hash -> Nullable<Binary>,
                spec -> Text,
                created_at -> $time,
                expires_at -> $time,
            }
        }
        diesel::allow_tables_to_appear_in_same_query!(
            api_keys,
            audit_entries,
            retired_ids,
            event_types,
            published_event_types,
            applications,
            projects,
            templates,
            contacts,
            contact_addresses,
            portal_sessions,
            workspaces,
            environments,
            management_tokens,
            sources,
            handshakes,
            endpoints,
            playbook_versions,
            playbooks,
            routes,
            events,
            claims,
            rejections,
            recoveries,
            deliveries,
            endpoint_lanes,
            attempts,
            run_inbox,
            run_waits,
            runs,
            steps,
            workers,
        );
    };
}
pub(crate) use ledger_schema;
