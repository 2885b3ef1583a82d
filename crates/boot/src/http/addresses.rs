//! A table of addresses that both mounts what answers there and says what there is.
//!
//! A description of a service's addresses can be held against the table, so that neither has what the other lacks.

use actix_web::web::{self, ServiceConfig};
use actix_web::{Handler, Resource, Responder, Route};
use std::fmt;

/// An address, and the methods that something answers there.
pub struct Address {
    path: String,
    methods: Vec<&'static str>,
    resource: Resource,
}

impl Address {
    /// An address with its routes, each with the methods that it takes, such as `GET, HEAD`. All other methods are
    /// refused by `refuse`.
    pub fn new<F>(path: &str, routes: impl IntoIterator<Item = (&'static str, Route)>, refuse: F) -> Self
    where
        F: Handler<(), Output: Responder + 'static>,
    {
        let (mut methods, mut resource) = (Vec::new(), web::resource(path));
        for (taken, route) in routes {
            methods.extend(taken.split(", "));
            resource = resource.route(route);
        }
        Self {
            path: path.to_owned(),
            methods,
            resource: resource.default_service(web::to(refuse)),
        }
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.methods.join(", "), self.path)
    }
}

/// Addresses in the order in which they are tried.
#[derive(Debug, Default)]
pub struct Addresses(Vec<Address>);

impl Addresses {
    /// Adds one.
    pub fn service(&mut self, address: Address) -> &mut Self {
        self.0.push(address);
        self
    }

    /// Mounts them all.
    pub fn mount(self, config: &mut ServiceConfig) {
        for address in self.0 {
            config.service(address.resource);
        }
    }

    /// Every method and path, such as `("GET", "/events/{id}")`.
    pub fn listed(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.0.iter().flat_map(|address| {
            address
                .methods
                .iter()
                .map(|method| (*method, address.path.as_str()))
        })
    }
}
