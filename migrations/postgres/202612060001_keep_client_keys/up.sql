-- The private key of an endpoint's client certificate, encrypted. The certificate itself is no secret and stands in the spec.
ALTER TABLE endpoints ADD COLUMN client_key_sealed BYTEA;
