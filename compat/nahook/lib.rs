//! Nothing: what there is are the tests, with an SDK that owes nothing to this product.
