//! States of earlier releases.
